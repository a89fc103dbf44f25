//! How many cards and relationships there are, for the metrics.

use sqlx::PgConnection;

use crate::error::Result;

/// Living cards, by type.
pub async fn cards(conn: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    Ok(
        sqlx::query_as("select type, count(*) from cards where deleted_at is null group by type")
            .fetch_all(conn)
            .await?,
    )
}

/// Active relationships, by type.
pub async fn relationships(conn: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    Ok(
        sqlx::query_as("select type, count(*) from relationships where status = 'active' group by type")
            .fetch_all(conn)
            .await?,
    )
}
