//! Numbers and dates that are out of range or do not exist.

use axum::http::Method;
use serde_json::json;

use super::{World, refused};
use crate::probe::{encode, rows, violation, violations};

#[tokio::test]
async fn numbers_out_of_range() {
    let world = World::new().await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    let card = format!("/cards/{}", world.card);
    let edge = format!("/relationships/{}", world.edge);
    for number in [
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "1e300",
        "-1e300",
        "0",
        "-0.0",
        "2.5",
        "1e1",
        "99999999999999999999999999999999",
    ] {
        for body in [
            format!("{{\"functional_fit\": {number}}}"),
            format!("{{\"attributes\": {{\"cloud_readiness\": {{\"state\": {number}1}}}}}}"),
        ] {
            let answer = caller.raw(Method::PATCH, &card, Some(body.clone().into_bytes())).await;
            if !["0", "-0.0", "2.5"].contains(&number) || body.contains("fit") {
                assert!(
                    ["VALIDATION_ERROR", "INVALID_REQUEST"].contains(&refused(&answer)),
                    "{body}"
                );
            }
        }
    }
    assert_eq!(rows(&world.app).await[0..4], before[0..4]);
    for number in [
        "9223372036854775808",
        "1e300",
        "-1e300",
        "1.00000000000001",
        "-1e-7",
        "-0.1",
    ] {
        let body = format!("{{\"allocation_pct\": {number}}}");
        let answer = caller.raw(Method::PATCH, &edge, Some(body.into_bytes())).await;
        assert_eq!(violation(&answer, "allocation_pct")["code"], "OUT_OF_RANGE", "{number}");
    }
    for number in ["-0.0", "1e-300", "0.123456789012345678901234567890", "1.0", "1e0"] {
        caller
            .raw(
                Method::PATCH,
                &edge,
                Some(format!("{{\"allocation_pct\": {number}}}").into_bytes()),
            )
            .await
            .expect(200);
    }
    for number in ["1e308", "-1e308", "9223372036854775808", "-0.0", "5e-324"] {
        let body = format!("{{\"attributes\": {{\"own\": {number}}}}}");
        let answer = caller
            .raw(Method::PATCH, &card, Some(body.into_bytes()))
            .await
            .expect(200);
        let read = caller.get(&card).await.expect(200);
        assert_eq!(
            read.body["attributes"]["own"], answer.body["attributes"]["own"],
            "{number}"
        );
        assert_eq!(read.body["attributes"]["own"].as_f64(), number.parse().ok(), "{number}");
        if number == "5e-324" {
            continue;
        }
        let users = format!("{{\"attributes\": {{\"users_total\": {number}1}}}}");
        refused(&caller.raw(Method::PATCH, &card, Some(users.into_bytes())).await);
    }
    let versions =
        json!({"operations": [{"op": "delete", "id": world.card, "version": 9_223_372_036_854_775_808_u64}]});
    assert_eq!(refused(&caller.post("/cards/bulk", versions).await), "VALIDATION_ERROR");
    for bad in ["\"9223372036854775808\"", "\"-1\"", "W/\"99999999999-x\""] {
        let guarded = world.app.with_token(&world.token).header("if-match", bad);
        assert_eq!(
            refused(&guarded.patch(&card, json!({"tags": ["x"]})).await),
            "INVALID_REQUEST"
        );
    }
}

#[tokio::test]
async fn dates_that_do_not_exist() {
    let world = World::new().await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    for date in [
        json!("2026-02-30"),
        json!("0000-00-00"),
        json!("0000-01-01"),
        json!("10000-01-01"),
        json!("+10000-01-01"),
        json!("-2026-01-01"),
        json!("2026-1-1"),
        json!("20260101"),
        json!("2026-01-01T00:00:00Z"),
        json!("2026-13-01"),
        json!("٢٠٢٦-٠١-٠١"),
        json!("2026-01-01 "),
        json!(""),
        json!(20_260_101),
        json!(["2026-01-01"]),
    ] {
        for phase in ["plan", "eol"] {
            let answer = caller
                .patch(&format!("/cards/{}", world.card), json!({"lifecycle": {phase: date}}))
                .await;
            assert_eq!(
                violations(&answer),
                [(format!("lifecycle.{phase}"), "WRONG_TYPE".to_owned())],
                "{date}"
            );
        }
        for end in ["valid_from", "valid_to"] {
            let answer = caller
                .patch(&format!("/relationships/{}", world.edge), json!({end: date}))
                .await;
            assert_eq!(
                violations(&answer),
                [(end.to_owned(), "WRONG_TYPE".to_owned())],
                "{date}"
            );
        }
        let component = json!({"type": "ITComponent", "name": "C", "attributes": {"category": "Software", "vendor_support_eol": date}});
        assert_eq!(
            refused(&caller.post("/cards", component).await),
            "VALIDATION_ERROR",
            "{date}"
        );
        if let Some(text) = date.as_str().filter(|t| !t.is_empty()) {
            for path in [
                format!("/cards?target_date={}", encode(text)),
                format!("/cards/{}?target_date={}", world.card, encode(text)),
                format!("/cards/{}/relationships?target_date={}", world.card, encode(text)),
                format!("/relationships?target_date={}", encode(text)),
            ] {
                assert_eq!(refused(&caller.get(&path).await), "INVALID_REQUEST", "{path}");
            }
        }
    }
    assert_eq!(rows(&world.app).await, before);
    for edge in ["0001-01-01", "9999-12-31", "2024-02-29"] {
        caller
            .patch(
                &format!("/cards/{}", world.card),
                json!({"lifecycle": {"active": edge}}),
            )
            .await
            .expect(200);
        caller.get(&format!("/cards?target_date={edge}")).await.expect(200);
        caller
            .get(&format!("/cards/{}?target_date={edge}", world.card))
            .await
            .expect(200);
    }
}
