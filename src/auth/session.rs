//! Living sessions and the rights of their users, as this instance remembers them. The change log says when to forget
//! ([`SessionCache::forget`], [`SessionCache::forget_user`]); what is not remembered is asked of Postgres.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use uuid::Uuid;

use super::{custom_role::Granted, role::RoleName};

/// A session as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose session it is.
    pub user_id: Uuid,
    /// What the user may do.
    pub granted: Granted,
    /// Whether neither the session was revoked nor the user shut out.
    pub alive: bool,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
enum Entry {
    /// There is no such session.
    Unknown,
    Known {
        user_id: Uuid,
        granted: Arc<Granted>,
        alive: bool,
        expires_at: DateTime<Utc>,
        /// When the session was last noted as active, in seconds since 1970.
        noted: Arc<AtomicI64>,
    },
}

/// What the cache knows of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing.
    Nothing,
    /// There is no such session.
    Unknown,
    /// This.
    Standing(Standing),
}

/// Living sessions as this instance last read them.
pub struct SessionCache {
    sessions: Cache<Uuid, Entry>,
    // What a user may do; shared by the entries of their sessions. While it is the one held here, all sessions that point
    // to it are good, so forgetting one user is one removal, however many sessions they have.
    users: Cache<Uuid, Arc<Granted>>,
    // Counts what was forgotten. A load that began before something was forgotten may hold what was true before.
    forgotten: AtomicU64,
}

/// How many sessions are remembered; beyond, the least used are asked of the database.
const SESSIONS: u64 = 100_000;
/// Nothing is remembered for longer, should ever a word of the change log be missed.
const LIFETIME: std::time::Duration = std::time::Duration::from_mins(10);
/// How exactly "last active" is kept, in seconds: a write per request would be too dear.
const NOTE_EVERY: i64 = 300;

impl Default for SessionCache {
    fn default() -> Self {
        Self {
            sessions: Cache::builder().max_capacity(SESSIONS).time_to_live(LIFETIME).build(),
            users: Cache::builder().max_capacity(SESSIONS).time_to_live(LIFETIME).build(),
            forgotten: AtomicU64::new(0),
        }
    }
}

impl SessionCache {
    /// What is remembered of a session.
    #[must_use]
    pub fn get(&self, session: Uuid) -> Remembered {
        match self.sessions.get(&session) {
            None => Remembered::Nothing,
            Some(Entry::Unknown) => Remembered::Unknown,
            Some(Entry::Known {
                user_id,
                granted,
                alive,
                expires_at,
                ..
            }) => match self.users.get(&user_id) {
                Some(current) if Arc::ptr_eq(&current, &granted) => Remembered::Standing(Standing {
                    user_id,
                    granted: Granted::clone(&granted),
                    alive,
                    expires_at,
                }),
                _ => Remembered::Nothing,
            },
        }
    }

    /// To be taken before the database is asked, and given to [`keep`](Self::keep) with the answer.
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Remembers an answer of the database, unless something was forgotten since the ticket was taken: the answer may
    /// be older than that.
    pub fn keep(&self, ticket: u64, session: Uuid, standing: Option<&Standing>) {
        if self.ticket() != ticket {
            return;
        }
        match standing {
            None => self.sessions.insert(session, Entry::Unknown),
            Some(standing) => {
                let granted = match self.users.get(&standing.user_id) {
                    Some(current) if *current == standing.granted => current,
                    _ => {
                        let granted = Arc::new(standing.granted.clone());
                        self.users.insert(standing.user_id, granted.clone());
                        granted
                    }
                };
                let entry = Entry::Known {
                    user_id: standing.user_id,
                    granted,
                    alive: standing.alive,
                    expires_at: standing.expires_at,
                    noted: Arc::new(AtomicI64::new(0)),
                };
                self.sessions.insert(session, entry);
            }
        }
        // Forgetting counts first and removes then: whatever was forgotten while the above went on is noticed either
        // here or there.
        if self.ticket() != ticket {
            self.sessions.invalidate(&session);
            if let Some(standing) = standing {
                self.users.invalidate(&standing.user_id);
            }
        }
    }

    /// Whether it is time to note in the database that the session is active. Says so once in a while only.
    #[must_use]
    pub fn is_note_due(&self, session: Uuid, now: DateTime<Utc>) -> bool {
        let Some(Entry::Known { noted, .. }) = self.sessions.get(&session) else {
            return false;
        };
        let (now, last) = (now.timestamp(), noted.load(Ordering::Relaxed));
        now - last >= NOTE_EVERY
            && noted
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Forgets a session: it changed.
    pub fn forget(&self, session: Uuid) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.sessions.invalidate(&session);
    }

    /// Forgets a user and all their sessions.
    pub fn forget_user(&self, user: Uuid) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.users.invalidate(&user);
    }

    /// Forgets everybody who carries one of these roles.
    pub fn forget_roles(&self, names: &[RoleName]) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for (user, granted) in &self.users {
            if granted.roles.iter().any(|role| names.contains(role)) {
                self.users.invalidate(&*user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{custom_role::RoleBook, role::Role};

    fn standing(user: u128, roles: &[Role]) -> Standing {
        Standing {
            user_id: Uuid::from_u128(user),
            granted: RoleBook::default().grant(&roles.iter().copied().map(RoleName::from).collect::<Vec<_>>()),
            alive: true,
            expires_at: DateTime::from_timestamp(2_000_000_000, 0).unwrap(),
        }
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn remember(cache: &SessionCache, session: u128, standing: Option<&Standing>) {
        cache.keep(cache.ticket(), id(session), standing);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_nothing_else() {
        let cache = SessionCache::default();
        let (anna, bert) = (standing(1, &[Role::Viewer]), standing(2, &[Role::Admin]));
        remember(&cache, 10, Some(&anna));
        remember(&cache, 11, Some(&anna));
        remember(&cache, 20, Some(&bert));
        remember(&cache, 30, None);
        assert_eq!(cache.get(id(10)), Remembered::Standing(anna.clone()));
        assert_eq!(cache.get(id(30)), Remembered::Unknown);
        cache.forget(id(10));
        assert_eq!(cache.get(id(10)), Remembered::Nothing);
        assert_eq!(cache.get(id(11)), Remembered::Standing(anna.clone()));
        cache.forget_user(id(1));
        assert_eq!(cache.get(id(11)), Remembered::Nothing);
        assert_eq!(cache.get(id(20)), Remembered::Standing(bert));
    }

    #[test]
    fn a_session_read_anew_does_not_revive_the_others_of_its_user() {
        let cache = SessionCache::default();
        let anna = standing(1, &[Role::Viewer]);
        remember(&cache, 10, Some(&anna));
        remember(&cache, 11, Some(&anna));
        cache.forget_user(id(1));
        remember(&cache, 10, Some(&anna));
        assert_eq!(cache.get(id(11)), Remembered::Nothing);
        assert_eq!(cache.get(id(10)), Remembered::Standing(anna));
    }

    #[test]
    fn forgetting_a_role_forgets_its_bearers() {
        let cache = SessionCache::default();
        let (anna, bert) = (standing(1, &[Role::Viewer]), standing(2, &[Role::Viewer, Role::Editor]));
        remember(&cache, 10, Some(&anna));
        remember(&cache, 20, Some(&bert));
        let ticket = cache.ticket();
        cache.forget_roles(&[Role::Editor.into()]);
        assert_eq!(cache.get(id(10)), Remembered::Standing(anna));
        assert_eq!(cache.get(id(20)), Remembered::Nothing);
        cache.keep(ticket, id(20), Some(&bert));
        assert_eq!(cache.get(id(20)), Remembered::Nothing);
    }

    #[test]
    fn an_answer_older_than_what_was_forgotten_is_not_kept() {
        let cache = SessionCache::default();
        let ticket = cache.ticket();
        cache.forget(id(10));
        cache.keep(ticket, id(10), Some(&standing(1, &[Role::Admin])));
        assert_eq!(cache.get(id(10)), Remembered::Nothing);
        let ticket = cache.ticket();
        cache.forget_user(id(1));
        cache.keep(ticket, id(10), None);
        assert_eq!(cache.get(id(10)), Remembered::Nothing);
    }

    #[test]
    fn a_revocation_in_the_middle_of_loads_always_wins() {
        // Each round: many threads load what is true, one revokes and forgets. Afterwards nobody may find it alive.
        for round in 0..200 {
            let cache = SessionCache::default();
            let alive = std::sync::atomic::AtomicBool::new(true);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            let ticket = cache.ticket();
                            let read = Standing {
                                alive: alive.load(Ordering::SeqCst),
                                ..standing(1, &[Role::Admin])
                            };
                            std::thread::yield_now();
                            cache.keep(ticket, id(10), Some(&read));
                        }
                    });
                }
                scope.spawn(|| {
                    std::thread::yield_now();
                    alive.store(false, Ordering::SeqCst);
                    if round % 2 == 0 {
                        cache.forget(id(10));
                    } else {
                        cache.forget_user(id(1));
                    }
                });
            });
            if let Remembered::Standing(found) = cache.get(id(10)) {
                assert!(!found.alive, "round {round}");
            }
        }
    }

    #[test]
    fn activity_is_noted_once_in_a_while() {
        let cache = SessionCache::default();
        remember(&cache, 10, Some(&standing(1, &[])));
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        assert!(cache.is_note_due(id(10), at(0)));
        assert!(!cache.is_note_due(id(10), at(299)));
        assert!(cache.is_note_due(id(10), at(300)));
        assert!(!cache.is_note_due(id(11), at(0)));
    }
}
