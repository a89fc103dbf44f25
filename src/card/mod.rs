//! The card: one type for everything an architect records. This room holds its fields and rules ([`CardDraft`]), its
//! rows ([`store`]), the lists of it ([`list`]) and the routes that read it. Writing goes through
//! [`landscape`](crate::landscape), because a card's write may concern its relationships.

mod draft;
mod facet_routes;
pub mod facets;
pub mod history;
mod lifecycle;
pub mod list;
pub mod moment;
pub mod order;
pub mod past;
pub mod query;
mod query_routes;
mod routes;
pub mod search;
pub mod store;
mod view;

pub use draft::{CardDraft, Tier, as_stored, merge};
pub use lifecycle::{Lifecycle, Phase, day};
pub use routes::routes;
pub use store::CardRow;
pub use view::{CardView, LifecycleView, computed, sparse};

/// At most this many characters in a description.
pub const MAX_DESCRIPTION: usize = 2000;
/// At most this many characters in a name.
pub const MAX_NAME: usize = 255;
/// At most this many tags on a card, each of at most [`MAX_TAG`] characters.
pub const MAX_TAGS: usize = 50;
/// At most this many characters in a tag.
pub const MAX_TAG: usize = 60;
