//! What an answer costs before anything is done for it: a bare JSON answer, and one row read by its primary key, with the
//! libraries that the server uses and none of its layers. `scripts/bench` measures the server beside this.
//!
//! `floor 127.0.0.1:8090 postgres://…` serves `/json` and `/cards/{id}` until it is stopped; without arguments it does
//! nothing.

use std::error::Error;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

#[derive(Serialize, sqlx::FromRow)]
struct Row {
    id: Uuid,
    r#type: String,
    name: String,
    description: Option<String>,
    tags: Vec<String>,
    attributes: Value,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` calls it with arguments of its own.
    let [address, database] = arguments.as_slice() else {
        return Ok(());
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pool = PgPoolOptions::new()
        .max_connections(50)
        // Otherwise every request would ask Postgres twice.
        .test_before_acquire(false)
        .connect(database)
        .await?;
    let router = Router::new()
        .route("/json", get(answer))
        .route("/cards/{id}", get(row))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer() -> Json<Value> {
    Json(json!({ "status": "ok", "items": [1, 2, 3], "name": "nothing was asked for this" }))
}

async fn row(State(pool): State<PgPool>, Path(id): Path<Uuid>) -> Result<Json<Row>, StatusCode> {
    let found = sqlx::query_as(
        "select id, type, name, description, tags, attributes, version, created_at, updated_at from cards where id = $1",
    )
    .bind(id)
    .fetch_optional(&pool)
    .await;
    match found {
        Ok(Some(row)) => Ok(Json(row)),
        Ok(None) => Err(StatusCode::NOT_FOUND),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
