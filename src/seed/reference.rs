//! Card types, rules and relationship types the software comes with.

use sqlx::PgPool;

use crate::{error::Result, metamodel, relationship::ontology};

/// What is there now, and what of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Card types in the database, those of admins included.
    pub card_types: usize,
    /// Rules of their attributes.
    pub rules: usize,
    /// Rows of the ontology.
    pub relationship_types: usize,
    /// How many of all these were added or renewed.
    pub written: usize,
}

/// Brings the reference data into the database, in one transaction and with a line in the change log for each row. What a
/// person has edited stays as it is.
pub async fn load(db: &PgPool) -> Result<Outcome> {
    let mut tx = db.begin().await?;
    let mut written = metamodel::store::seed_reference(&mut tx).await?;
    written += ontology::store::seed_reference(&mut tx).await?;
    let metamodel = metamodel::store::load(&mut tx).await?;
    let relationship_types = ontology::store::rows(&mut tx).await?.len();
    tx.commit().await?;
    Ok(Outcome {
        card_types: metamodel.card_types().count(),
        rules: metamodel.card_types().map(|t| metamodel.rules(&t.name).len()).sum(),
        relationship_types,
        written,
    })
}
