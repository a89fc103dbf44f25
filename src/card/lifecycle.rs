//! The five lifecycle dates of a card, the phase they give on a date, and whether the card is present on it.

use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

/// No date, below every real day so that the struct stays twenty bytes.
const NONE: i32 = i32::MIN;

/// Days since the common era, the unit of every comparison here.
#[must_use]
pub fn day(date: NaiveDate) -> i32 {
    date.num_days_from_ce()
}

/// Where a card stands on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub enum Phase {
    /// Thought of, not begun.
    Plan,
    /// Being introduced.
    #[serde(rename = "Phase In")]
    PhaseIn,
    /// In use.
    Active,
    /// Being retired.
    #[serde(rename = "Phase Out")]
    PhaseOut,
    /// Retired.
    #[serde(rename = "End of Life")]
    EndOfLife,
    /// No date is given.
    Undefined,
}

impl Phase {
    /// The phase of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        PHASES
            .into_iter()
            .chain([Self::Undefined])
            .find(|phase| phase.as_str() == name)
    }

    /// The name as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "Plan",
            Self::PhaseIn => "Phase In",
            Self::Active => "Active",
            Self::PhaseOut => "Phase Out",
            Self::EndOfLife => "End of Life",
            Self::Undefined => "Undefined",
        }
    }
}

const PHASES: [Phase; 5] = [
    Phase::Plan,
    Phase::PhaseIn,
    Phase::Active,
    Phase::PhaseOut,
    Phase::EndOfLife,
];

/// Plan, phase-in, active, phase-out and end of life; any may be absent, those present do not decrease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle([i32; 5]);

impl Default for Lifecycle {
    fn default() -> Self {
        Self([NONE; 5])
    }
}

impl Lifecycle {
    /// The dates in the order plan, phase-in, active, phase-out, end of life.
    #[must_use]
    pub fn new(dates: [Option<NaiveDate>; 5]) -> Self {
        Self(dates.map(|date| date.map_or(NONE, day)))
    }

    /// The dates in the order plan, phase-in, active, phase-out, end of life.
    #[must_use]
    pub fn dates(&self) -> [Option<NaiveDate>; 5] {
        self.0.map(|days| {
            (days != NONE)
                .then(|| NaiveDate::from_num_days_from_ce_opt(days))
                .flatten()
        })
    }

    /// The latest phase whose date has come; with only future dates `Active` when the first is phase-out or end of life
    /// (it must be running now), else `Plan`; without any date `Undefined`.
    #[must_use]
    pub fn phase(&self, on: NaiveDate) -> Phase {
        let on = day(on);
        if let Some(latest) = (0..5).rev().find(|at| self.0[*at] != NONE && self.0[*at] <= on) {
            return PHASES[latest];
        }
        match self.first() {
            None => Phase::Undefined,
            Some((3 | 4, _)) => Phase::Active,
            Some(_) => Phase::Plan,
        }
    }

    /// The days on which the card is present, first and end (exclusive): not before a first date that is plan, phase-in
    /// or active, and not from its end of life on.
    #[must_use]
    pub fn presence(&self) -> (i32, i32) {
        let from = match self.first() {
            Some((0..=2, first)) => first,
            _ => i32::MIN,
        };
        (from, if self.0[4] == NONE { i32::MAX } else { self.0[4] })
    }

    /// Whether a card with these dates is present on the day.
    #[must_use]
    pub fn is_present(&self, on: NaiveDate) -> bool {
        let (from, to) = self.presence();
        (from..to).contains(&day(on))
    }

    fn first(&self) -> Option<(usize, i32)> {
        self.0.iter().copied().enumerate().find(|(_, days)| *days != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(year, 1, 1)
    }

    #[test]
    fn phase_and_presence_follow_the_metamodel() {
        let table = [
            // plan, phase in, active, phase out, eol, asked; phase, present
            ([None, None, None, None, None], 2025, Phase::Undefined, true),
            ([Some(2020), None, None, None, None], 2019, Phase::Plan, false),
            ([Some(2020), None, None, None, None], 2020, Phase::Plan, true),
            ([None, Some(2026), None, None, None], 2025, Phase::Plan, false),
            ([None, None, Some(2026), None, None], 2025, Phase::Plan, false),
            ([None, None, None, Some(2026), None], 2025, Phase::Active, true),
            ([None, None, None, None, Some(2026)], 2025, Phase::Active, true),
            ([None, None, None, None, Some(2026)], 2026, Phase::EndOfLife, false),
            (
                [Some(2020), Some(2021), Some(2022), Some(2023), Some(2024)],
                2021,
                Phase::PhaseIn,
                true,
            ),
            (
                [Some(2020), None, Some(2022), Some(2023), Some(2024)],
                2021,
                Phase::Plan,
                true,
            ),
            (
                [Some(2020), None, Some(2022), Some(2023), Some(2024)],
                2023,
                Phase::PhaseOut,
                true,
            ),
            (
                [Some(2020), None, Some(2022), Some(2023), Some(2024)],
                2030,
                Phase::EndOfLife,
                false,
            ),
            (
                [None, None, Some(2024), None, Some(2024)],
                2024,
                Phase::EndOfLife,
                false,
            ),
        ];
        for (years, asked, phase, present) in table {
            let lifecycle = Lifecycle::new(years.map(|year| year.and_then(date)));
            let on = date(asked).unwrap();
            assert_eq!(
                (lifecycle.phase(on), lifecycle.is_present(on)),
                (phase, present),
                "{years:?} on {asked}"
            );
            assert_eq!(lifecycle.dates(), years.map(|year| year.and_then(date)));
        }
    }
}
