//! Lifecycles and validity, around the day the landscape is drawn for.

use chrono::{Days, NaiveDate};

use super::rng::Rng;
use crate::{card::Lifecycle, relationship::Validity};

/// The day around which everything is dated: past, present and future are seen from here, whatever the clock says.
pub(super) const BASE: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a date");

/// The day that many days after the base; before it when negative.
pub(super) fn day(offset: i64) -> NaiveDate {
    let days = Days::new(offset.unsigned_abs());
    let moved = if offset < 0 {
        BASE.checked_sub_days(days)
    } else {
        BASE.checked_add_days(days)
    };
    moved.unwrap_or(BASE)
}

/// A day from the first of January of one year to the end of another; years count from the base's.
pub(super) fn between_years(rng: &mut Rng, from: i64, to: i64) -> NaiveDate {
    day(rng.between(from * 365, to * 365 + 364))
}

/// How long something has been there and will be: one in ten is gone, one in ten yet to come, one in three has its end
/// in sight, some say nothing.
pub(super) fn lifecycle(rng: &mut Rng) -> Lifecycle {
    match rng.below(100) {
        0..5 => Lifecycle::default(),
        5..15 => {
            let active = rng.between(-22 * 365, -11 * 365);
            let phase_out = rng.between(-10 * 365, -300);
            let eol = phase_out + rng.between(30, 290);
            spanned(rng, active, Some((phase_out, eol)))
        }
        15..25 => {
            let plan = rng.between(-400, 500);
            let phase_in = plan + rng.between(60, 400);
            let active = phase_in + rng.between(30, 300);
            Lifecycle::new([Some(day(plan)), Some(day(phase_in)), Some(day(active)), None, None])
        }
        25..55 => {
            let active = rng.between(-20 * 365, -2 * 365);
            let phase_out = rng.between(-300, 7 * 365);
            let eol = phase_out + rng.between(330, 900);
            spanned(rng, active, Some((phase_out, eol)))
        }
        _ => {
            let active = rng.between(-23 * 365, -30);
            spanned(rng, active, None)
        }
    }
}

fn spanned(rng: &mut Rng, active: i64, end: Option<(i64, i64)>) -> Lifecycle {
    let phase_in = rng.chance(50).then(|| active - rng.between(20, 200));
    let plan = rng
        .chance(30)
        .then(|| phase_in.unwrap_or(active) - rng.between(30, 500));
    let dates = [
        plan,
        phase_in,
        Some(active),
        end.map(|(phase_out, _)| phase_out),
        end.map(|(_, eol)| eol),
    ];
    Lifecycle::new(dates.map(|offset| offset.map(day)))
}

/// In use and without an end in sight: for what everything else depends on.
pub(super) fn lasting() -> Lifecycle {
    Lifecycle::new([None, None, Some(day(-12 * 365)), None, None])
}

/// When an edge holds: most always do, some began, some have ended or will.
pub(super) fn validity(rng: &mut Rng) -> Validity {
    let (from, to) = match rng.below(100) {
        0..58 => (None, None),
        58..78 => (Some(rng.between(-14 * 365, -30)), None),
        78..84 => {
            let from = rng.between(-14 * 365, -400);
            (Some(from), Some(from + rng.between(100, 3_000)))
        }
        84..89 => (None, Some(rng.between(30, 6 * 365))),
        89..95 => (None, Some(rng.between(-8 * 365, -30))),
        _ => (Some(rng.between(60, 4 * 365)), None),
    };
    Validity {
        from: from.map(day),
        to: to.map(day),
    }
}

/// Two intervals one after the other, often without a day between them: a handover, or something that was taken up again.
pub(super) fn handover(rng: &mut Rng) -> [Validity; 2] {
    let ends = rng.between(-6 * 365, 4 * 365);
    let pause = if rng.chance(70) { 1 } else { rng.between(2, 400) };
    let began = rng.chance(40).then(|| day(ends - rng.between(100, 3_000)));
    [
        Validity {
            from: began,
            to: Some(day(ends)),
        },
        Validity {
            from: Some(day(ends + pause)),
            to: None,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::synthetic::rng::Stream;

    #[test]
    fn dates_are_in_order_and_on_both_sides_of_the_base() {
        let mut rng = Rng::new(1, Stream::Card, 0);
        let (mut gone, mut to_come) = (0, 0);
        for _ in 0..2_000 {
            let dates: Vec<NaiveDate> = lifecycle(&mut rng).dates().into_iter().flatten().collect();
            assert!(dates.is_sorted(), "{dates:?}");
            gone += u32::from(dates.len() >= 3 && dates.last().is_some_and(|last| *last <= BASE));
            to_come += u32::from(dates.last().is_some_and(|last| *last > BASE));
            let edge = validity(&mut rng);
            assert!(edge.from.zip(edge.to).is_none_or(|(from, to)| from <= to));
            let [first, second] = handover(&mut rng);
            assert!(!first.overlaps(second));
        }
        assert!(gone > 100 && to_come > 500, "{gone} {to_come}");
    }
}
