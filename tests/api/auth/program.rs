use std::process::{Command, Output};

use serde_json::json;

use super::try_log_in;
use crate::harness::{PASSWORD, TestApp};

fn admin(app: &TestApp, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_admin"))
        .args(arguments)
        .env("DATABASE_URL", &app.url)
        .env("APP_ENV", "test")
        .env("PASSWORD_HASH_COST", "4")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn failed(output: &Output, code: i32, text: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(text), "{stderr}");
}

fn printed_password(stdout: &str) -> String {
    stdout
        .lines()
        .find_map(|l| l.strip_prefix("password: "))
        .unwrap_or_else(|| panic!("{stdout}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_enters_users() {
    let app = TestApp::start().await;
    let stdout = succeeded(&admin(
        &app,
        &[
            "create-user",
            "--email",
            "Root@Example.com",
            "--role",
            "admin",
            "--role",
            "auditor",
        ],
    ));
    assert!(stdout.contains("Root@Example.com as admin, auditor"), "{stdout}");
    let answer = try_log_in(&app, "root@example.com", &printed_password(&stdout))
        .await
        .expect(200);
    assert_eq!(answer.body["user"]["roles"], json!(["admin", "auditor"]));

    failed(
        &admin(
            &app,
            &["create-user", "--email", "root@example.com", "--role", "viewer"],
        ),
        1,
        "exists already",
    );
    let stdout = succeeded(&admin(
        &app,
        &[
            "create-user",
            "--email",
            "root@example.com",
            "--role",
            "viewer",
            "--if-missing",
        ],
    ));
    assert!(
        stdout.contains("nothing was changed") && !stdout.contains("password"),
        "{stdout}"
    );
    failed(
        &admin(&app, &["create-user", "--email", "a@example.com", "--role", "boss"]),
        1,
        "there is no role 'boss'",
    );
    failed(
        &admin(&app, &["create-user", "--email", "nonsense", "--role", "admin"]),
        1,
        "not an e-mail address",
    );
    failed(&admin(&app, &["create-user", "--email", "a@example.com"]), 2, "--role");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_from_a_file() {
    let app = TestApp::start().await;
    let file = std::env::temp_dir().join(format!("archzero-password-{}", uuid::Uuid::now_v7()));
    let path = file.to_str().unwrap();
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let stdout = succeeded(&admin(
        &app,
        &[
            "create-user",
            "--email",
            "a@example.com",
            "--role",
            "viewer",
            "--name",
            "Anna",
            "--password-file",
            path,
        ],
    ));
    assert!(!stdout.contains("password"), "{stdout}");
    assert_eq!(
        try_log_in(&app, "a@example.com", PASSWORD).await.expect(200).body["user"]["name"],
        "Anna"
    );
    std::fs::write(&file, "short").unwrap();
    failed(
        &admin(
            &app,
            &["reset-password", "--email", "a@example.com", "--password-file", path],
        ),
        1,
        "at least 12 are required",
    );
    std::fs::remove_file(&file).unwrap();
    failed(
        &admin(
            &app,
            &["reset-password", "--email", "a@example.com", "--password-file", path],
        ),
        1,
        "cannot be read",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_resets_passwords_and_lifts_locks() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[archzero::auth::Role::Viewer]).await;
    let caller = app.login_as(&email).await;
    for _ in 0..5 {
        try_log_in(&app, &email, "Not-The-Password-7").await;
    }
    try_log_in(&app, &email, PASSWORD).await.expect(423);
    succeeded(&admin(&app, &["unlock", "--email", &email]));
    try_log_in(&app, &email, PASSWORD).await.expect(200);

    let stdout = succeeded(&admin(&app, &["reset-password", "--email", &email]));
    super::eventually(std::time::Duration::from_secs(1), async || {
        caller.get("/auth/me").await.status == 401
    })
    .await;
    try_log_in(&app, &email, PASSWORD).await.expect(401);
    try_log_in(&app, &email, &printed_password(&stdout)).await.expect(200);
    failed(
        &admin(&app, &["unlock", "--email", "nobody@example.com"]),
        1,
        "there is no user",
    );
}
