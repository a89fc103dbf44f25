//! Card types and rules in the database. Every change is one row of the change log and makes the metamodel's version grow;
//! the row that holds the version also makes writers queue, so that checks across rows hold.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use sqlx::{Connection, PgConnection, types::Json};
use uuid::Uuid;

use super::{CardType, DataType, Layer, Metamodel, Pattern, Rule, Widget, recompute, reference};
use crate::{
    error::{Error, Result},
    store::{
        Author,
        log::{self, NewChange},
        past::Past,
    },
};

/// Serializes seeding between instances that start together.
const SEED_LOCK: i64 = 0x6172_635a_5345_4544;

/// The version of the metamodel that is committed now.
pub async fn version(conn: &mut PgConnection) -> Result<i64> {
    let version = sqlx::query_scalar!("select value from settings where name = 'metamodel_version'")
        .fetch_optional(conn)
        .await?;
    version.map_or(Ok(0), |text| text.parse().map_err(Error::internal))
}

/// Until the transaction ends no one else changes the metamodel.
pub async fn hold(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("insert into settings (name, value) values ('metamodel_version', '0') on conflict do nothing")
        .execute(&mut *conn)
        .await?;
    sqlx::query_scalar!("select value from settings where name = 'metamodel_version' for update")
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Makes the version grow.
pub async fn bump(conn: &mut PgConnection) -> Result<i64> {
    let version = sqlx::query_scalar!(
        "insert into settings (name, value) values ('metamodel_version', '1')
         on conflict (name) do update set value = (settings.value::bigint + 1)::text returning value"
    )
    .fetch_one(conn)
    .await?;
    version.parse().map_err(Error::internal)
}

/// The metamodel as it is committed now.
pub async fn load(conn: &mut PgConnection) -> Result<Metamodel> {
    // The version first: a change that commits meanwhile makes the next load differ, never goes unnoticed.
    let version = version(conn).await?;
    Ok(Metamodel::new(version, card_types(conn).await?, rules(conn).await?))
}

/// The metamodel as it was recorded; it carries no version of its own.
pub async fn load_at(conn: &mut PgConnection, past: &Past) -> Result<Metamodel> {
    let (snapshot, before_epoch, end_of_epoch) = past.seal.bounds();
    let types = sqlx::query_as!(
        CardTypeRow,
        r#"select t.id as "id!", t.name as "name!", t.label as "label!", t.layer as "layer!", t.description, t.color as "color!", t.icon,
                  t.strict as "strict!", t.builtin as "builtin!", t.deprecated as "deprecated!", t.position as "position!",
                  t.version as "version!"
           from (select distinct on (entity_id) after from changes
                 where entity = 'card_type'
                   and (position <= $2 or (position <= $3 and pg_visible_in_snapshot(tx, $1::text::pg_snapshot)))
                 order by entity_id, changes.position desc) l
           cross join lateral jsonb_populate_record(null::card_types, l.after) t where l.after is not null"#,
        snapshot,
        before_epoch,
        end_of_epoch,
    )
    .fetch_all(&mut *conn)
    .await?;
    let rules = sqlx::query_as!(
        RuleRow,
        r#"select t.id as "id!", t.card_type as "card_type!", t.key as "key!", t.label as "label!", t.data_type as "data_type!",
                  t.is_required as "is_required!", t.options, t.regex, t.min::float8 as min, t.max::float8 as max, t.max_length,
                  t.default_value, t.widget, t.placeholder, t.help_text, t.is_computed as "is_computed!",
                  t.deprecated as "deprecated!", t.builtin as "builtin!", t.position as "position!", t.version as "version!"
           from (select distinct on (entity_id) after from changes
                 where entity = 'metamodel_rule'
                   and (position <= $2 or (position <= $3 and pg_visible_in_snapshot(tx, $1::text::pg_snapshot)))
                 order by entity_id, changes.position desc) l
           cross join lateral jsonb_populate_record(null::metamodel_rules, l.after) t where l.after is not null"#,
        snapshot,
        before_epoch,
        end_of_epoch,
    )
    .fetch_all(conn)
    .await?;
    let types = types.into_iter().map(CardType::try_from).collect::<Result<_>>()?;
    let rules = rules.into_iter().map(Rule::try_from).collect::<Result<_>>()?;
    Ok(Metamodel::new(0, types, rules))
}

struct CardTypeRow {
    id: Uuid,
    name: String,
    label: String,
    layer: String,
    description: Option<String>,
    color: String,
    icon: Option<String>,
    strict: bool,
    builtin: bool,
    deprecated: bool,
    position: i32,
    version: i32,
}

impl TryFrom<CardTypeRow> for CardType {
    type Error = Error;

    fn try_from(row: CardTypeRow) -> Result<Self> {
        Ok(Self {
            layer: Layer::from_name(&row.layer).ok_or_else(|| unreadable("layer", &row.layer))?,
            id: row.id,
            name: row.name,
            label: row.label,
            description: row.description,
            color: row.color,
            icon: row.icon,
            strict: row.strict,
            builtin: row.builtin,
            deprecated: row.deprecated,
            position: row.position,
            version: row.version,
        })
    }
}

#[expect(clippy::struct_excessive_bools, reason = "columns")]
struct RuleRow {
    id: Uuid,
    card_type: String,
    key: String,
    label: String,
    data_type: String,
    is_required: bool,
    options: Option<Vec<String>>,
    regex: Option<String>,
    min: Option<f64>,
    max: Option<f64>,
    max_length: Option<i32>,
    default_value: Option<Value>,
    widget: Option<String>,
    placeholder: Option<String>,
    help_text: Option<String>,
    is_computed: bool,
    deprecated: bool,
    builtin: bool,
    position: i32,
    version: i32,
}

impl TryFrom<RuleRow> for Rule {
    type Error = Error;

    fn try_from(row: RuleRow) -> Result<Self> {
        Ok(Self {
            data_type: DataType::from_name(&row.data_type).ok_or_else(|| unreadable("data type", &row.data_type))?,
            widget: match row.widget {
                None => None,
                Some(name) => Some(Widget::from_name(&name).ok_or_else(|| unreadable("widget", &name))?),
            },
            regex: row
                .regex
                .as_deref()
                .map(Pattern::new)
                .transpose()
                .map_err(|why| unreadable("regex", &why))?,
            max_length: row.max_length.and_then(|length| u32::try_from(length).ok()),
            id: row.id,
            card_type: row.card_type,
            key: row.key,
            label: row.label,
            is_required: row.is_required,
            options: row.options,
            min: row.min,
            max: row.max,
            default_value: row.default_value,
            placeholder: row.placeholder,
            help_text: row.help_text,
            is_computed: row.is_computed,
            deprecated: row.deprecated,
            builtin: row.builtin,
            position: row.position,
            version: row.version,
        })
    }
}

fn unreadable(what: &str, value: &str) -> Error {
    Error::internal(format!(
        "the database holds a {what} this program does not know: {value}"
    ))
}

async fn card_types(conn: &mut PgConnection) -> Result<Vec<CardType>> {
    let rows = sqlx::query_as!(
        CardTypeRow,
        "select id, name, label, layer, description, color, icon, strict, builtin, deprecated, position, version from card_types"
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(CardType::try_from).collect()
}

async fn rules(conn: &mut PgConnection) -> Result<Vec<Rule>> {
    let rows = sqlx::query_as!(
        RuleRow,
        "select id, card_type, key, label, data_type, is_required, options, regex, min::float8 min, max::float8 max, max_length,
                default_value, widget, placeholder, help_text, is_computed, deprecated, builtin, position, version
         from metamodel_rules"
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Rule::try_from).collect()
}

/// Whether any card has this type, one that was deleted included: it may be restored.
pub async fn is_used(conn: &mut PgConnection, card_type: &str) -> Result<bool> {
    let used = sqlx::query_scalar!(
        r#"select exists (select from cards where type = $1) "used!""#,
        card_type
    );
    Ok(used.fetch_one(conn).await?)
}

/// The relationship types that start or end at a card type by name.
pub async fn relationship_types_with(conn: &mut PgConnection, card_type: &str) -> Result<Vec<Uuid>> {
    let found = sqlx::query_scalar!(
        "select id from relationship_types where source_type = $1 or $1 = any(target_types) order by id",
        card_type
    );
    Ok(found.fetch_all(conn).await?)
}

/// The next cards of a type behind `after`, with what a dry run shows of them; deleted ones are left out.
pub async fn attributes_of(
    conn: &mut PgConnection,
    card_type: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<CardAttributes>> {
    let cards = sqlx::query_as!(
        CardAttributes,
        r#"select id, name, attributes "attributes: Json<Map<String, Value>>" from cards
           where type = $1 and id > $2 and deleted_at is null order by id limit $3"#,
        card_type,
        after,
        limit,
    );
    Ok(cards.fetch_all(conn).await?)
}

/// A card as a dry run looks at it.
pub struct CardAttributes {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Json<Map<String, Value>>,
}

/// Adds a card type.
pub async fn insert_card_type(conn: &mut PgConnection, author: &Author, new: &CardType) -> Result<()> {
    sqlx::query!(
        "insert into card_types (id, name, label, layer, description, color, icon, strict, builtin, deprecated, position, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        new.id,
        new.name,
        new.label,
        new.layer.name(),
        new.description,
        new.color,
        new.icon,
        new.strict,
        new.builtin,
        new.deprecated,
        new.position,
        new.version,
    )
    .execute(&mut *conn)
    .await?;
    record_card_type(conn, author, "created", None, Some(new)).await
}

/// Writes a card type's new state; name, layer of origin and id stay.
pub async fn update_card_type(
    conn: &mut PgConnection,
    author: &Author,
    before: &CardType,
    after: &CardType,
) -> Result<()> {
    sqlx::query!(
        "update card_types set label = $2, layer = $3, description = $4, color = $5, icon = $6, strict = $7, deprecated = $8,
                position = $9, version = $10 where id = $1",
        after.id,
        after.label,
        after.layer.name(),
        after.description,
        after.color,
        after.icon,
        after.strict,
        after.deprecated,
        after.position,
        after.version,
    )
    .execute(&mut *conn)
    .await?;
    record_card_type(conn, author, "updated", Some(before), Some(after)).await
}

/// Removes a card type; its rules must be gone.
pub async fn delete_card_type(conn: &mut PgConnection, author: &Author, old: &CardType) -> Result<()> {
    sqlx::query!("delete from card_types where id = $1", old.id)
        .execute(&mut *conn)
        .await?;
    record_card_type(conn, author, "deleted", Some(old), None).await
}

async fn record_card_type(
    conn: &mut PgConnection,
    author: &Author,
    action: &str,
    before: Option<&CardType>,
    after: Option<&CardType>,
) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    let change = NewChange {
        entity: "card_type",
        entity_id: subject.id,
        entity_type: Some(&subject.name),
        action,
        version: after.map_or(subject.version + 1, |a| a.version),
        before: before.map(|state| json!(state)),
        after: after.map(|state| json!(state)),
    };
    log::append(conn, author, change).await
}

/// Adds a rule.
pub async fn insert_rule(conn: &mut PgConnection, author: &Author, new: &Rule) -> Result<()> {
    sqlx::query!(
        "insert into metamodel_rules (id, card_type, key, label, data_type, is_required, options, regex, min, max, max_length,
                default_value, widget, placeholder, help_text, is_computed, deprecated, builtin, position, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9::float8::numeric, $10::float8::numeric, $11, $12, $13, $14, $15, $16, $17,
                $18, $19, $20)",
        new.id,
        new.card_type,
        new.key,
        new.label,
        new.data_type.name(),
        new.is_required,
        new.options.as_deref(),
        new.regex.as_ref().map(Pattern::source),
        new.min,
        new.max,
        new.max_length.and_then(|length| i32::try_from(length).ok()),
        new.default_value,
        new.widget.map(Widget::name),
        new.placeholder,
        new.help_text,
        new.is_computed,
        new.deprecated,
        new.builtin,
        new.position,
        new.version,
    )
    .execute(&mut *conn)
    .await?;
    record_rule(conn, author, "created", None, Some(new)).await
}

/// Writes a rule's new state; id, card type and key stay.
pub async fn update_rule(conn: &mut PgConnection, author: &Author, before: &Rule, after: &Rule) -> Result<()> {
    sqlx::query!(
        "update metamodel_rules set label = $2, data_type = $3, is_required = $4, options = $5, regex = $6,
                min = $7::float8::numeric, max = $8::float8::numeric, max_length = $9, default_value = $10, widget = $11,
                placeholder = $12, help_text = $13, is_computed = $14, deprecated = $15, position = $16, version = $17
         where id = $1",
        after.id,
        after.label,
        after.data_type.name(),
        after.is_required,
        after.options.as_deref(),
        after.regex.as_ref().map(Pattern::source),
        after.min,
        after.max,
        after.max_length.and_then(|length| i32::try_from(length).ok()),
        after.default_value,
        after.widget.map(Widget::name),
        after.placeholder,
        after.help_text,
        after.is_computed,
        after.deprecated,
        after.position,
        after.version,
    )
    .execute(&mut *conn)
    .await?;
    record_rule(conn, author, "updated", Some(before), Some(after)).await
}

/// Removes a rule; the cards keep their attribute.
pub async fn delete_rule(conn: &mut PgConnection, author: &Author, old: &Rule) -> Result<()> {
    sqlx::query!("delete from metamodel_rules where id = $1", old.id)
        .execute(&mut *conn)
        .await?;
    record_rule(conn, author, "deleted", Some(old), None).await
}

async fn record_rule(
    conn: &mut PgConnection,
    author: &Author,
    action: &str,
    before: Option<&Rule>,
    after: Option<&Rule>,
) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    let change = NewChange {
        entity: "metamodel_rule",
        entity_id: subject.id,
        entity_type: Some(&subject.card_type),
        action,
        version: after.map_or(subject.version + 1, |a| a.version),
        before: before.map(|state| json!(state)),
        after: after.map(|state| json!(state)),
    };
    log::append(conn, author, change).await
}

/// Waits until no other instance seeds; until the transaction ends none does.
pub async fn lock_seeding(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock($1)", SEED_LOCK)
        .execute(conn)
        .await?;
    Ok(())
}

/// Those of these things that a person has changed; a new release leaves them alone.
pub async fn edited_by_people(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let edited = sqlx::query_scalar!(
        "select distinct entity_id from changes where entity_id = any($1) and actor_id is not null",
        ids
    );
    Ok(edited.fetch_all(conn).await?)
}

/// Brings the built-in types and rules into the database: adds what is missing and renews what nobody has edited. Repeating
/// it changes nothing. Answers how many rows it wrote.
pub async fn seed_reference(conn: &mut PgConnection) -> Result<usize> {
    let mut tx = conn.begin().await?;
    let written = seed(&mut tx).await?;
    tx.commit().await?;
    Ok(written)
}

async fn seed(conn: &mut PgConnection) -> Result<usize> {
    lock_seeding(conn).await?;
    let author = Author::system("reference data");
    let types: HashMap<Uuid, CardType> = card_types(conn).await?.into_iter().map(|t| (t.id, t)).collect();
    let present: HashMap<Uuid, Rule> = rules(conn).await?.into_iter().map(|r| (r.id, r)).collect();
    let mut stale_types = reference::card_types();
    stale_types.retain(|new| {
        types.get(&new.id).is_none_or(|old| {
            CardType {
                version: old.version,
                ..new.clone()
            } != *old
        })
    });
    let mut stale_rules = reference::rules();
    stale_rules.retain(|new| {
        present.get(&new.id).is_none_or(|old| {
            Rule {
                version: old.version,
                ..new.clone()
            } != *old
        })
    });
    let ids: Vec<Uuid> = stale_types
        .iter()
        .map(|t| t.id)
        .chain(stale_rules.iter().map(|r| r.id))
        .collect();
    let edited = edited_by_people(conn, &ids).await?;
    let mut written = 0;
    for card_type in stale_types.into_iter().filter(|t| !edited.contains(&t.id)) {
        match types.get(&card_type.id) {
            None => insert_card_type(conn, &author, &card_type).await?,
            Some(before) => {
                let after = CardType {
                    version: before.version + 1,
                    ..card_type
                };
                update_card_type(conn, &author, before, &after).await?;
            }
        }
        written += 1;
    }
    for rule in stale_rules.into_iter().filter(|r| !edited.contains(&r.id)) {
        match present.get(&rule.id) {
            None => insert_rule(conn, &author, &rule).await?,
            Some(before) => {
                let after = Rule {
                    version: before.version + 1,
                    ..rule.clone()
                };
                update_rule(conn, &author, before, &after).await?;
            }
        }
        if is_used(conn, &rule.card_type).await? {
            recompute::request(conn, &rule.card_type).await?;
        }
        written += 1;
    }
    if written > 0 {
        bump(conn).await?;
    }
    Ok(written)
}
