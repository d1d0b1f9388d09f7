//! What a reader should know about equations that are not wrong.

use super::Warning;
use super::reader::brief;
use super::schema::{LawPart, MotilityPart};
use super::source::quote;
use crate::expression::Interval;
use crate::model::{Boundary, Field, Model, Uniform};
use std::sync::Arc;

/// A variation of less than this is rounding.
const NOTICEABLE: f64 = 1e-9;

/// All that can be said about a model whose states move in these ways, at the temperatures that occur.
pub(super) fn about(model: &Model, motilities: &[&MotilityPart<'_>], temperatures: Interval) -> Vec<Warning> {
    let length = model.domain.length;
    if model.is_underdamped() {
        return [jump_of_ring(model), jump(model), short_path(model)].into_iter().flatten().collect();
    }
    [
        different_shapes(model, motilities, temperatures, length),
        pushed_ito(model, motilities, temperatures),
        jump_of_ring(model),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A few temperatures from the lowest to the highest.
fn some(range: Interval) -> impl Iterator<Item = f64> {
    between(range, 4)
}

fn between(range: Interval, parts: u32) -> impl Iterator<Item = f64> {
    (0..=parts).map(move |k| range.lo + (range.hi - range.lo) * f64::from(k) / f64::from(parts))
}

/// A diffusivity at equally spaced places, at one temperature everywhere. Frictions count as the diffusivity
/// kT/gamma of a constant gamma: without a dependence on x.
fn profile(part: &MotilityPart<'_>, temperature: f64, length: f64) -> Vec<f64> {
    let frozen: Arc<dyn Field> = Arc::new(Uniform(temperature));
    let field = match part {
        MotilityPart::Diffusivity(LawPart { law, .. }) => law.field(&frozen),
        MotilityPart::Friction(_) | MotilityPart::Internal => frozen,
    };
    between(Interval::new(0.0, length), 64).map(|x| field.value(x)).collect()
}

/// Largest over smallest of what is a positive number.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let usable = values.filter(|r| r.is_finite() && *r > 0.0);
    let (lo, hi) = usable.fold((f64::INFINITY, 0.0_f64), |(lo, hi), r| (lo.min(r), hi.max(r)));
    hi / lo
}

/// Ito diffusivities whose ratio depends on position at a fixed temperature.
fn different_shapes(
    model: &Model,
    motilities: &[&MotilityPart<'_>],
    temperatures: Interval,
    length: f64,
) -> Option<Warning> {
    let first = *motilities.first()?;
    let states = model.network.states();
    let mut worst = (1.0 + NOTICEABLE, 0);
    for temperature in some(temperatures) {
        let reference = profile(first, temperature, length);
        for (i, part) in motilities.iter().enumerate().skip(1) {
            let ratios = profile(part, temperature, length).into_iter().zip(&reference).map(|(d, r)| d / r);
            let spread = spread(ratios);
            if spread > worst.0 {
                worst = (spread, i);
            }
        }
    }
    (worst.1 > 0).then(|| Warning {
        seen: format!(
            "the ratio of the diffusivities of {} and {} varies with x by a factor of {} at a fixed temperature",
            quote(&states[worst.1].name),
            quote(&states[0].name),
            brief(worst.0)
        ),
        meaning: "read as Ito, such diffusivities drive currents even at uniform temperature with rates in detailed \
                  balance: they are not the limit of any equilibrium dynamics"
            .into(),
        remedy: "give \"friction\" instead, or diffusivities that are multiples of one function of x".into(),
    })
}

/// A force on a state whose Ito diffusivity depends on position at a fixed temperature.
fn pushed_ito(model: &Model, motilities: &[&MotilityPart<'_>], temperatures: Interval) -> Option<Warning> {
    let length = model.domain.length;
    let varies = |part: &MotilityPart<'_>| {
        some(temperatures).any(|t| spread(profile(part, t, length).into_iter()) > 1.0 + NOTICEABLE)
    };
    let state =
        (0..motilities.len()).find(|s| model.potentials(*s).next().is_some() && varies(motilities[*s]))?;
    Some(Warning {
        seen: format!(
            "a potential acts on {}, whose diffusivity varies with x and is read as Ito",
            quote(&model.network.states()[state].name)
        ),
        meaning:
            "J = -(D/kT) P d_x U - d_x(D P): the mobility is D/kT, and at uniform temperature the density is \
                  exp(-U/kT)/D, which is not Boltzmann's"
                .into(),
        remedy: "give \"friction\" instead for exp(-U/kT); keep the diffusivity if this convention is meant"
            .into(),
    })
}

/// A temperature that is different at the two ends of a ring.
fn jump_of_ring(model: &Model) -> Option<Warning> {
    let length = model.domain.length;
    let [first, last] = [0.0, length].map(|x| model.temperature.value(x));
    let jumps = (first - last).abs() > NOTICEABLE * first.max(last);
    (jumps && model.domain.walls == Boundary::Periodic).then(|| Warning {
        seen: format!(
            "on the ring the temperature is {} at x = 0 and {} at x = {}",
            brief(first),
            brief(last),
            brief(length)
        ),
        meaning: "x = 0 and x = length are one place: the temperature jumps there".into(),
        remedy: "give a temperature with T(0) = T(length) unless the jump is meant".into(),
    })
}

/// A jump of the temperature that particles with inertia cross.
fn jump(model: &Model) -> Option<Warning> {
    model.temperature_jumps().then(|| Warning {
        seen: "particles with inertia cross a jump of the temperature".into(),
        meaning: "velocities from both sides mix there, and the modes of the theory converge slowly".into(),
        remedy: "read the error of the theory; or spread the jump over a mean free path, as with tanh".into(),
    })
}

/// A mean free path that is so short everywhere that inertia hardly matters.
fn short_path(model: &Model) -> Option<Warning> {
    const SHORT: f64 = 1e-3;
    let length = model.domain.length;
    let paths = model.network.states().iter().enumerate().flat_map(|(s, state)| {
        let path = move |x: f64| {
            libm::sqrt(state.mass.unwrap_or(0.0) * model.thermal_energy(x)) / model.resistance(s, x)
        };
        between(Interval::new(0.0, length), 64).map(path)
    });
    let longest = paths.fold(0.0, f64::max) / length;
    (longest < SHORT).then(|| Warning {
        seen: format!("the mean free path sqrt(m kT)/gamma is at most {} of the domain", brief(longest)),
        meaning:
            "densities differ from those of overdamped motion by about that much, and one relaxation takes \
                  hundreds of thousands of steps"
                .into(),
        remedy: "take \"motion\": \"overdamped\" with the same frictions and no masses, for exact legs"
            .into(),
    })
}
