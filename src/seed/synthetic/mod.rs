//! A large invented landscape, for measuring and for trying out: of one size and seed it is always the same, down to ids
//! and dates.

mod card;
mod copy;
mod dates;
mod edge;
mod hubs;
mod id;
mod load;
mod plan;
mod rng;
mod topology;
mod words;

#[cfg(test)]
mod tests;

use serde_json::json;

pub use load::{Outcome, load};

use crate::{
    card::CardDraft,
    error::{Code, Error, Result},
};

/// Which landscape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// How many cards, from [`FEWEST_CARDS`](Self::FEWEST_CARDS) to [`MOST_CARDS`](Self::MOST_CARDS).
    pub cards: u32,
    /// How many relationships, at most ten per card.
    pub relationships: u32,
    /// Of all landscapes of this size, which one.
    pub seed: u64,
}

impl Default for Parameters {
    /// What the measurements are made on.
    fn default() -> Self {
        Self {
            cards: 100_000,
            relationships: 500_000,
            seed: 1,
        }
    }
}

impl Parameters {
    /// With fewer there would not be a card of every type and a place for every kind of edge.
    pub const FEWEST_CARDS: u32 = 100;
    /// With more, the numbers in names would need more digits than they have.
    pub const MOST_CARDS: u32 = 250_000;
    /// On average.
    const MOST_RELATIONSHIPS_PER_CARD: u32 = 10;

    fn validate(self) -> Result<()> {
        let (fewest, most) = (Self::FEWEST_CARDS, Self::MOST_CARDS);
        if !(fewest..=most).contains(&self.cards) {
            return Err(Error::invalid(format!(
                "A synthetic landscape has {fewest} to {most} cards, not {}",
                self.cards
            ))
            .at("cards"));
        }
        let most = self.cards * Self::MOST_RELATIONSHIPS_PER_CARD;
        if self.relationships > most {
            let text = format!(
                "{} cards take at most {most} relationships, not {}",
                self.cards, self.relationships
            );
            return Err(Error::invalid(text).at("relationships"));
        }
        Ok(())
    }
}

/// The cards of a landscape, for measuring what needs no database.
pub fn cards(parameters: Parameters) -> Result<impl Iterator<Item = CardDraft>> {
    parameters.validate()?;
    let plan = plan::Plan::new(parameters.cards, parameters.seed);
    Ok((0..parameters.cards).map(move |number| card::draft(&plan, number)))
}

/// The landscape before it is anywhere: what needs overview is drawn, cards are drawn when asked for.
struct Landscape {
    plan: plan::Plan,
    edges: Vec<edge::Edge>,
}

impl Landscape {
    fn new(parameters: Parameters) -> Result<Self> {
        parameters.validate()?;
        let plan = plan::Plan::new(parameters.cards, parameters.seed);
        let edges = topology::edges(&plan, parameters.relationships);
        if edges.len() < parameters.relationships as usize {
            let text = format!(
                "On {} cards there is room for {} relationships",
                parameters.cards,
                edges.len()
            );
            return Err(Error::new(Code::UnprocessableEntity, text).with(json!({ "most": edges.len() })));
        }
        Ok(Self { plan, edges })
    }

    fn card(&self, number: u32) -> CardDraft {
        card::draft(&self.plan, number)
    }
}
