//! Refuses NaN and infinity before anything is written. JSON has no word for them, and a `null` in
//! their place would read as "not measured".

use super::ReportError;
use super::assisted::AssistedSummary;
use super::summary::{
    ComparisonSummary, Contrast, Quantity, Row, RunSummary, Summary, TheorySummary, UntilSummary,
    WellSummary, WellsSummary,
};
use crate::stats::{Estimate, Outcome};
use crate::verification::{Check, Evidence, Question, Verification};

/// Checks every number of the summary. The structures are taken apart field by field, so that a new
/// field does not compile until it has been thought of here.
pub(super) fn check(summary: &Summary) -> Result<(), ReportError> {
    let Summary {
        format_version: _,
        name: _,
        title: _,
        claim: _,
        conventions: _,
        run,
        length,
        bins: _,
        states: _,
        coordinates: _,
        quantities,
        theory,
        comparison,
        checks,
        questions,
        assisted,
        unassisted: _,
        invariants: _,
        warnings: _,
    } = summary;
    number(*length, || "length".into())?;
    check_run(run)?;
    for quantity in quantities {
        check_quantity(quantity)?;
    }
    if let Some(TheorySummary { equation: _, error_estimate, resolution: _, wall_layers, wells }) = theory {
        wells.as_ref().map_or(Ok(()), check_wells)?;
        number(*error_estimate, || "theory: error_estimate".into())?;
        for layer in wall_layers.iter().flatten() {
            number(*layer, || "theory: wall_layers".into())?;
        }
    }
    for question in questions {
        check_question(question)?;
    }
    if let Some(AssistedSummary {
        controls: _,
        t_squared,
        dof: _,
        p_value,
        holds: _,
        stepped: _,
        quantities,
    }) = assisted
    {
        number(*t_squared, || "assisted: t_squared".into())?;
        number(*p_value, || "assisted: p_value".into())?;
        quantities.iter().try_for_each(check_quantity)?;
    }
    checks.as_ref().map_or(Ok(()), check_verification)?;
    comparison.as_ref().map_or(Ok(()), check_comparison)
}

fn check_wells(wells: &WellsSummary) -> Result<(), ReportError> {
    let WellsSummary { x, states, soret, soret_wall, soret_fast } = wells;
    for value in [Some(*x), *soret, *soret_wall, *soret_fast].into_iter().flatten() {
        number(value, || "theory: wells".into())?;
    }
    for state in states {
        let WellSummary { between, bottom, population, energy, diffusivity, rate_down, rate_up } = state;
        let values = [*bottom, *population, *energy, *diffusivity].into_iter().chain(*between);
        for value in values.chain(*rate_down).chain(*rate_up) {
            number(value, || "theory: wells".into())?;
        }
    }
    Ok(())
}

fn check_run(run: &RunSummary) -> Result<(), ReportError> {
    let RunSummary {
        complete: _,
        method: _,
        sampling: _,
        clock: _,
        arithmetic: _,
        seed: _,
        particles: _,
        groups: _,
        until,
        legs_per_particle: _,
        duration,
        burn_in,
        rounds_planned: _,
        rounds_done: _,
        legs: _,
        transitions: _,
        particle_time,
    } = run;
    if let Some(UntilSummary {
        quantity: _,
        of: _,
        relative_error,
        absolute_error,
        reached: _,
        std_err,
        target,
        needed,
        sentence: _,
    }) = until
    {
        for number in [relative_error, absolute_error, std_err, target, needed] {
            optional(*number, || "run: until".into())?;
        }
    }
    optional(*duration, || "run: duration".into())?;
    number(*burn_in, || "run: burn_in".into())?;
    number(*particle_time, || "run: particle_time".into())
}

fn check_quantity(quantity: &Quantity) -> Result<(), ReportError> {
    optional(quantity.time, || format!("{}: time", label(quantity)))?;
    for (index, row) in quantity.rows.iter().enumerate() {
        let place = |field: &str| {
            let label = label(quantity);
            match quantity.rows.len() {
                1 => format!("{label}: {field}"),
                _ => format!("{label}, row {index}: {field}"),
            }
        };
        let Row { x_lo, x_hi, across, estimate, theory, fast_limit, z } = row;
        optional(*x_lo, || place("x_lo"))?;
        optional(*x_hi, || place("x_hi"))?;
        for end in across.iter().flatten() {
            number(*end, || place("across"))?;
        }
        match estimate {
            Outcome::Estimate(Estimate { value, std_error, low, high }) => {
                number(*value, || place("value"))?;
                number(*std_error, || place("std_err"))?;
                number(*low, || place("ci_low"))?;
                number(*high, || place("ci_high"))?;
            }
            Outcome::Null { value, reason: _ } => optional(*value, || place("value"))?,
        }
        optional(*theory, || place("theory"))?;
        optional(*fast_limit, || place("fast_limit"))?;
        optional(*z, || place("z"))?;
    }
    Ok(())
}

fn check_comparison(comparison: &ComparisonSummary) -> Result<(), ReportError> {
    let ComparisonSummary {
        alpha,
        comparisons: _,
        critical_z,
        worst_z,
        worst: _,
        contrasts,
        agrees: _,
        sentences: _,
    } = comparison;
    number(*alpha, || "comparison: alpha".into())?;
    number(*critical_z, || "comparison: critical_z".into())?;
    number(*worst_z, || "comparison: worst_z".into())?;
    for contrast in contrasts {
        let Contrast { name, t_squared, contrasts: _, p_value, agrees: _ } = contrast;
        number(*t_squared, || format!("comparison: {name}: t_squared"))?;
        number(*p_value, || format!("comparison: {name}: p_value"))?;
    }
    Ok(())
}

fn check_question(question: &Question) -> Result<(), ReportError> {
    let Question { name, law: _, expected: _, effect: _, evidence } = question;
    match evidence {
        Evidence::Contrasts { sums, scale, grain, room, blind: _ } => sums
            .iter()
            .flatten()
            .chain(scale)
            .chain(grain)
            .chain(room)
            .try_for_each(|n| number(*n, || format!("contrasts of: {name}"))),
        Evidence::Exact { .. } | Evidence::Missing { .. } => Ok(()),
    }
}

fn check_verification(verification: &Verification) -> Result<(), ReportError> {
    let Verification { alpha, tests: _, critical_p, passes: _, checks } = verification;
    number(*alpha, || "checks: alpha".into())?;
    number(*critical_p, || "checks: critical_p".into())?;
    for check in checks {
        let Check { name, law: _, verdict: _, value, contrasts: _, statistic, p_value, .. } = check;
        for n in value.iter().flatten() {
            number(*n, || format!("check: {name}: value"))?;
        }
        optional(*statistic, || format!("check: {name}: statistic"))?;
        optional(*p_value, || format!("check: {name}: p_value"))?;
        optional(check.smallest_effect, || format!("check: {name}: smallest_effect"))?;
    }
    Ok(())
}

/// Name and owner of a quantity in words: `current excited`.
fn label(quantity: &Quantity) -> String {
    match &quantity.of {
        Some(of) => format!("{} {of}", quantity.name),
        None => quantity.name.clone(),
    }
}

fn number(value: f64, place: impl FnOnce() -> String) -> Result<(), ReportError> {
    if value.is_finite() { Ok(()) } else { Err(ReportError::NotFinite { place: place(), value }) }
}

fn optional(value: Option<f64>, place: impl FnOnce() -> String) -> Result<(), ReportError> {
    value.map_or(Ok(()), |value| number(value, place))
}
