//! What must be true of a model before an identity may be asked of its particles.

use crate::model::{Model, Motility};

/// Places at which a model is looked at.
const SAMPLES: usize = 129;

/// Relative differences that are rounding.
const ROUNDING: f64 = 1e-9;

pub(super) fn places(model: &Model) -> impl Iterator<Item = f64> + '_ {
    // Off the walls and off the middle, where kinks like to be.
    (0..SAMPLES).map(|k| model.domain.length * (k as f64 + 0.487) / SAMPLES as f64)
}

/// Whether `f` has the same value everywhere, to rounding.
fn same_everywhere(model: &Model, f: impl Fn(f64) -> f64) -> bool {
    let (low, high) =
        places(model).map(f).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    high - low <= ROUNDING * (low.abs() + high.abs())
}

/// Whether the temperature is the same everywhere.
pub(super) fn isothermal(model: &Model) -> bool {
    same_everywhere(model, |x| model.temperature.value(x))
}

/// The entropy identities hold for frictions, and for Ito diffusivities that share one dependence on x and T,
/// `D_i = d_i f(x, T)`. Otherwise particles flow even in equilibrium: they are the limit of no equilibrium
/// dynamics.
pub(super) fn one_shape(model: &Model) -> Result<(), String> {
    if model.has_frictions() {
        return Ok(());
    }
    let states = model.network.states();
    let uneven = |s: &usize| !same_everywhere(model, |x| model.diffusivity(*s, x) / model.diffusivity(0, x));
    match (1..states.len()).find(uneven) {
        None => Ok(()),
        Some(s) => Err(format!(
            "the diffusivities of {} and {} depend on x in different ways, which as Ito diffusivities is the \
             limit of no equilibrium dynamics; give each state a friction instead",
            states[0].name, states[s].name
        )),
    }
}

/// Nothing flows along x where the temperature is uniform, no state propels itself, the occupancies of the
/// states are the same everywhere but for their potentials, and motion has one shape.
pub(super) fn nothing_flows(model: &Model) -> Result<(), String> {
    if !isothermal(model) {
        return Err("the temperature varies".into());
    }
    one_shape(model)?;
    let states = model.network.states();
    if let Some(s) = (0..states.len()).find(|s| model.has_drift(*s)) {
        return Err(format!("{} propels itself", states[s].name));
    }
    // Potentials of single states shift their occupancies along with their energies.
    let shifted = |s: usize, x: f64| {
        let potential = model.potential_energy(s, x) - model.potential_energy(0, x);
        let p = model.local_equilibrium(x);
        p[s] / p[0] * libm::exp(potential / model.thermal_energy(x))
    };
    let uneven = |s: &usize| !same_everywhere(model, |x| shifted(*s, x));
    match (0..states.len()).find(uneven) {
        None => Ok(()),
        Some(s) => Err(format!("the rates favour {} more in some places than in others", states[s].name)),
    }
}

/// Nothing is dissipated where besides every transition balances its reverse.
pub(super) fn equilibrium(model: &Model) -> Result<(), String> {
    nothing_flows(model)?;
    heat_known(model)?;
    for x in places(model) {
        let p = model.local_equilibrium(x);
        for edge in 0..model.network.edges().len() {
            let [forward, backward] = [2 * edge, 2 * edge + 1].map(|index| {
                let channel = model.network.channel(index);
                p[channel.from] * model.rate(channel, x)
            });
            if (forward - backward).abs() > ROUNDING * (forward + backward) {
                return Err(format!("transition {} is driven", edge + 1));
            }
        }
    }
    Ok(())
}

/// The density is then flat where diffusivities do not vary, or are frictions.
pub(super) fn flat_density(model: &Model) -> Result<(), String> {
    nothing_flows(model)?;
    if model.has_forces() {
        return Err("a potential acts, and particles gather where it is low".into());
    }
    let uneven = |s: &usize| match &model.network.states()[*s].motility {
        Motility::Friction(_) => false,
        Motility::Diffusivity(_) => !same_everywhere(model, |x| model.diffusivity(*s, x)),
    };
    match (0..model.network.states().len()).find(uneven) {
        None => Ok(()),
        Some(s) => Err(format!(
            "the diffusivity of {} varies, and Ito particles gather where it is small",
            model.network.states()[s].name
        )),
    }
}

/// Whether the heat of every transition is known.
pub(super) fn heat_known(model: &Model) -> Result<(), String> {
    let states_only = !model.is_underdamped() && model.coordinates.is_none();
    if model.network.edges().is_empty() && !model.has_forces() && states_only {
        return Err("there is one state, and heat is exchanged in transitions only".into());
    }
    if !model.has_heat() {
        return Err("a transition has a free rate in one direction only: its heat is not known".into());
    }
    Ok(())
}
