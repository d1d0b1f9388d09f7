//! `run.until`: the error at which a run may end before its length does.

use super::reader::{Cursor, Must};
use super::setting::Setting;
use crate::error::Error;
use crate::model::{Boundary, Domain, Motility, Network, State};
use crate::observable::Observable;
use serde_json::{Value, json};

/// The largest relative error that can be wanted: beyond it the value that the target is a part of is itself
/// too uncertain.
pub(super) const LARGEST_RELATIVE: f64 = 0.1;

/// A wanted standard error. At least one of the two is given; the one that is met first counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Until {
    /// Of which quantity; one with a single value.
    pub quantity: Observable,
    /// In parts of the value.
    pub relative_error: Option<f64>,
    /// In the unit of the value.
    pub absolute_error: Option<f64>,
}

impl Until {
    /// The standard error that is wanted of this value.
    pub fn target(&self, value: f64) -> f64 {
        let relative = self.relative_error.map_or(0.0, |r| r * value.abs());
        relative.max(self.absolute_error.unwrap_or(0.0))
    }

    pub(super) fn canonical(&self, network: &Network) -> Value {
        let mut map = json!({ "quantity": name(self.quantity, network.states()) });
        for (key, error) in [("relative_error", self.relative_error), ("absolute_error", self.absolute_error)]
        {
            if let Some(error) = error {
                map[key] = error.into();
            }
        }
        map
    }

    /// The setting of the file that `quantity:0.01` or `quantity:rel=0.01,abs=1e-3` stands for.
    ///
    /// # Errors
    /// [`Error::Usage`] where the words are others.
    pub fn setting(text: &str) -> Result<Setting, Error> {
        let wrong = || {
            Error::Usage(format!(
                "{}: written quantity:0.01 (a relative error) or quantity:rel=0.01,abs=1e-3",
                super::source::quote(text)
            ))
        };
        let (quantity, errors) = text.rsplit_once(':').ok_or_else(wrong)?;
        let mut until = json!({ "quantity": quantity });
        for part in errors.split(',') {
            let (key, error) = match part.split_once('=') {
                None => ("relative_error", part),
                Some(("rel", error)) => ("relative_error", error),
                Some(("abs", error)) => ("absolute_error", error),
                Some(_) => return Err(wrong()),
            };
            let error: f64 = error.trim().parse().map_err(|_| wrong())?;
            if until.get(key).is_some() || !error.is_finite() {
                return Err(wrong());
            }
            until[key] = error.into();
        }
        Setting::of_option("--until", "run.until", until)
    }
}

/// What the file says, before the states are known.
#[derive(Debug)]
pub(super) struct UntilPart<'a> {
    quantity: (&'a str, Cursor<'a>),
    relative_error: Option<f64>,
    absolute_error: Option<f64>,
}

pub(super) fn read<'a>(at: &Cursor<'a>) -> Option<UntilPart<'a>> {
    let mut object = at.object()?;
    let quantity = object.required("quantity").and_then(|c| Some((c.text()?, c)));
    let relative = object.optional("relative_error");
    let absolute = object.optional("absolute_error");
    if relative.is_none() && absolute.is_none() {
        let mistake = object
            .mistake("no error is wanted")
            .expected("\"relative_error\" (in parts of the value) or \"absolute_error\" (in its unit)");
        object.missing(&["relative_error", "absolute_error"], mistake);
    }
    const RELATIVE: Must =
        Must { words: "a positive number of at most 0.1", holds: |v| v > 0.0 && v <= LARGEST_RELATIVE };
    let error = |at: &Option<Cursor<'a>>, must| match at {
        None => Some(None),
        Some(at) => at.number(must).map(Some),
    };
    let (relative, absolute) = (error(&relative, RELATIVE), error(&absolute, Must::POSITIVE));
    let clean = object.finish();
    let part = UntilPart { quantity: quantity?, relative_error: relative?, absolute_error: absolute? };
    clean.then_some(part)
}

/// What of a system decides what is measured in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct System<'a> {
    pub states: &'a [State],
    pub domain: Domain,
    /// Whether there is a potential that acts in all states.
    pub potential: bool,
    /// Whether there are internal coordinates.
    pub coordinates: bool,
    /// Wells of an internal coordinate.
    pub wells: usize,
}

/// Everything with a single value that a run of this system measures as an average over the run. The
/// fraction of a single state is one, and without a force or inertia its currents are zero.
fn quantities(System { states, domain, potential, coordinates, wells }: System<'_>) -> Vec<Observable> {
    use Observable::*;
    let mut list = vec![Soret, SoretWall, MeanTemperature];
    list.extend((0..wells).map(WellPopulation));
    let each = 0..states.len();
    if states.len() > 1 {
        list.extend(each.clone().map(Population));
    }
    let underdamped = states.iter().all(|s| s.mass.is_some());
    let moved = |s: &State| s.potential.is_some() || s.drift.is_some() || s.mass.is_some();
    if coordinates {
        list.extend([InteriorHeatCurrent, ItoHeatCurrent]);
    }
    if states.len() > 1 || potential || coordinates || states.iter().any(moved) {
        list.extend(each.map(MeanCurrent));
        list.extend([MeanHeatCurrent, EntropyProduction]);
    }
    if domain.walls == Boundary::Periodic {
        list.extend([MeanVelocity, EffectiveDiffusion]);
    }
    // Of underdamped particles it is a part of the entropy production.
    if !underdamped && states.iter().all(|s| matches!(s.motility, Motility::Friction(_))) {
        list.push(KineticEntropyProduction);
    }
    list
}

/// How the file calls an observable: `soret`, `population:ground`, `well_population:1`.
fn name(observable: Observable, states: &[State]) -> String {
    match observable {
        Observable::WellPopulation(well) => format!("{}:{}", observable.name(), well + 1),
        Observable::Population(s) | Observable::MeanCurrent(s) => {
            format!("{}:{}", observable.name(), states[s].name)
        }
        _ => observable.name().to_owned(),
    }
}

/// Quantities that do not belong to a state.
const WHOLE: [Observable; 10] = [
    Observable::Soret,
    Observable::SoretWall,
    Observable::MeanTemperature,
    Observable::MeanHeatCurrent,
    Observable::EntropyProduction,
    Observable::MeanVelocity,
    Observable::EffectiveDiffusion,
    Observable::KineticEntropyProduction,
    Observable::InteriorHeatCurrent,
    Observable::ItoHeatCurrent,
];

/// A mistake where no system has a quantity of this name: all that can be said before the states are sound.
pub(super) fn named(part: &UntilPart<'_>) {
    let (word, at) = &part.quantity;
    let owned = [
        (Observable::Population(0), "STATE"),
        (Observable::MeanCurrent(0), "STATE"),
        (Observable::WellPopulation(0), "WELL"),
    ];
    let of_part = word.split_once(':').is_some_and(|(kind, _)| owned.iter().any(|(o, _)| o.name() == kind));
    if of_part || WHOLE.iter().any(|o| o.name() == *word) {
        return;
    }
    let of_parts = owned.iter().map(|(o, part)| format!("{}:{part}", o.name()));
    let known: Vec<String> = WHOLE.iter().map(|o| o.name().to_owned()).chain(of_parts).collect();
    at.unknown(word, at.span(), known.iter().map(String::as_str), "unknown quantity".into());
}

/// Which quantity is meant; a mistake where there is none of that name, or none in this system.
pub(super) fn resolve(part: &UntilPart<'_>, system: System<'_>, uniform: bool) -> Option<Until> {
    let (word, at) = &part.quantity;
    let known: Vec<(String, Observable)> =
        quantities(system).into_iter().map(|o| (name(o, system.states), o)).collect();
    let Some((_, quantity)) = known.iter().find(|(name, _)| name == word) else {
        let names = known.iter().map(|(name, _)| name.as_str());
        at.unknown(word, at.span(), names, "unknown quantity".into());
        return None;
    };
    if uniform && matches!(quantity, Observable::Soret | Observable::SoretWall) {
        at.push(
            at.mistake("there is no Soret coefficient at a uniform temperature")
                .expected("another quantity")
                .found(super::source::quote(word)),
        );
        return None;
    }
    Some(Until {
        quantity: *quantity,
        relative_error: part.relative_error,
        absolute_error: part.absolute_error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::{self, Context};
    use crate::experiment::{EXAMPLES, Experiment};
    use crate::grid::Grid;
    use crate::observable::Support;

    #[test]
    fn quantities_are_the_single_values_that_are_measured() {
        for example in EXAMPLES {
            let Ok(experiment) = Experiment::from_str("t", "t.json", example.text) else { continue };
            let context = Context {
                model: experiment.model.clone(),
                grid: Grid::new(experiment.model.domain.length, 4).with_across(experiment.grid().across),
                dwell: Vec::new(),
                leg_law: Vec::new(),
                flux_excess: 0.0,
                timed: false,
                times: Vec::new(),
                volume: None,
            };
            let mut measured: Vec<String> = estimator::of(&experiment.model)
                .iter()
                .flat_map(|e| e.observables(&context))
                .filter(|o| o.support() == Support::Whole)
                .filter(|o| experiment.model.network.states().len() > 1 || *o != Observable::Population(0))
                .map(|o| format!("{o:?}"))
                .collect();
            let model = &experiment.model;
            let system = System {
                states: model.network.states(),
                domain: model.domain,
                potential: model.potential.is_some(),
                coordinates: model.coordinates.is_some(),
                wells: super::super::build::wells(model),
            };
            let known = quantities(system);
            let mut known: Vec<String> = known.iter().map(|o| format!("{o:?}")).collect();
            measured.sort();
            known.sort();
            assert_eq!(measured, known, "{}", example.name);
            let list = quantities(system);
            let owned = |o: &Observable| {
                matches!(
                    o,
                    Observable::Population(_) | Observable::MeanCurrent(_) | Observable::WellPopulation(_)
                )
            };
            assert!(list.iter().all(|o| owned(o) || WHOLE.contains(o)), "{}", example.name);
        }
    }

    #[test]
    fn the_option_is_a_setting() {
        let setting = |text: &str| Until::setting(text).map(|s| s.to_string()).map_err(|e| e.to_string());
        let of = |text: &str| format!("run.until={text}");
        assert_eq!(setting("soret:0.01"), Ok(of(r#"{"quantity":"soret","relative_error":0.01}"#)));
        assert_eq!(
            setting("population:a b:rel=0.01,abs=1e-3"),
            Ok(of(r#"{"quantity":"population:a b","relative_error":0.01,"absolute_error":0.001}"#))
        );
        for text in ["soret", "soret:", "soret:x", "soret:0.1,0.2", "soret:std=1", "soret:rel=inf"] {
            assert!(setting(text).is_err(), "{text}");
        }
    }
}
