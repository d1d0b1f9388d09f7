//! The comparison in words that a physicist would use.

use super::format;
use super::summary::{ComparisonSummary, Contrast};
use crate::comparison::{Compared, Comparison};
use crate::experiment::Experiment;
use crate::grid::Grid;
use crate::observable::{Instant, Observable, Support};
use crate::sampling;
use crate::stats::{Estimate, Sample};

/// Puts a comparison after `rounds` rounds into words.
pub fn summarise(
    comparison: &Comparison,
    rounds: u64,
    experiment: &Experiment,
    grid: &Grid,
) -> ComparisonSummary {
    let name = |observable: Observable| {
        let of = experiment.label(observable).map(|of| format!(" of {of}")).unwrap_or_default();
        let at = sampling::time(experiment, observable).map(|t| format!(" at t = {}", format::plain(t)));
        format!("{}{of}{}", words(observable), at.unwrap_or_default())
    };
    let place = |c: &Compared, k: usize| {
        let observable = c.measured.observable;
        let x = match observable.support().ends(grid, k) {
            Some((lo, hi)) if lo == hi => format!(" at x = {lo}"),
            Some((lo, hi)) => format!(" in {lo} < x < {hi}"),
            None => String::new(),
        };
        let across = experiment.across(observable, grid, k).zip(second(observable, experiment));
        let beside = across.map(|(ends, symbol)| match ends.map(format::brief) {
            [low, high] if low == high => format!(", {symbol} = {low}"),
            [low, high] => format!(", {low} < {symbol} < {high}"),
        });
        format!("{}{x}{}", name(observable), beside.unwrap_or_default())
    };
    let worst = comparison.worst.map(|(c, k, z)| (place(&comparison.compared[c], k), z));
    let contrasts: Vec<Contrast> = comparison
        .joint
        .iter()
        .map(|j| Contrast {
            name: format!("{}, {} lowest modes", name(j.observable), j.modes),
            t_squared: j.t_squared,
            contrasts: j.modes,
            p_value: j.p_value,
            agrees: j.p_value >= comparison.critical_p,
        })
        .collect();
    let mut sentences: Vec<String> =
        comparison.compared.iter().filter_map(|c| headline(c, experiment, comparison.critical_z)).collect();
    sentences.extend(circulation(comparison, experiment, grid));
    let states = 0..experiment.model.network.states().len();
    sentences.extend(states.filter_map(|s| slow_particles(comparison, s, experiment, grid)));
    let compared = comparison.comparisons() > 0;
    if compared {
        sentences.push(profiles(comparison, &place, &contrasts));
    } else {
        sentences.insert(0, nothing_compared(rounds, experiment).into());
    }
    ComparisonSummary {
        alpha: comparison.alpha,
        comparisons: comparison.comparisons(),
        critical_z: comparison.critical_z,
        worst_z: worst.as_ref().map_or(0.0, |w| w.1),
        worst: worst.map_or_else(|| "nothing was compared".into(), |w| w.0),
        contrasts,
        agrees: compared.then_some(comparison.agrees),
        sentences,
    }
}

/// Symbol of the second coordinate, that of an internal one its name.
fn second(observable: Observable, experiment: &Experiment) -> Option<&str> {
    match observable.axis()? {
        "speed" => Some("V"),
        "q" => experiment.model.coordinates.as_ref()?.axes.first().map(|axis| axis.name.as_str()),
        axis => Some(axis),
    }
}

fn words(observable: Observable) -> &'static str {
    use Observable::*;
    match observable {
        Density => "density",
        StateDensity(_) => "density",
        PointDensity | PointStateDensity(_) => "point density",
        Population(_) => "population",
        Current(_) => "current",
        WindowCurrent(_) => "bin-averaged current",
        MeanCurrent(_) => "mean current",
        HeatCurrent => "heat flux",
        MeanHeatCurrent => "mean heat flux",
        InteriorHeatCurrent => "heat flux of the interior",
        ItoHeatCurrent => "heat flux of the interior, Ito's form",
        HeatAbsorbed => "heat absorbed",
        TransitionRate(_) => "transition rate",
        LocalSoret => "local Soret coefficient",
        Soret => "soret",
        SoretWall => "soret_wall",
        MeanTemperature => "mean temperature",
        EntropyProduction => "entropy production",
        TrajectoryEntropyProduction => "entropy production of trajectories",
        DiffusiveEntropyProduction => "diffusive entropy production",
        ReactiveEntropyProduction => "reactive entropy production",
        FluctuationTheorem => "mean of exp(-entropy)",
        EntropySpread => "spread of the entropy",
        Fano(_) => "Fano factor",
        CycleCurrent(_) => "cycle current",
        CycleFano(_) => "Fano factor of the cycle",
        UncertaintyProduct(_) => "uncertainty product",
        At(_, what) => match what {
            Instant::Density | Instant::StateDensity(_) => "density",
            Instant::Population(_) => "population",
            Instant::MeanPosition => "mean position",
            Instant::Mode(..) => "cosine mode",
            Instant::Displacement => "displacement",
            Instant::SquareDisplacement => "mean square displacement",
            Instant::Kurtosis => "kurtosis",
            Instant::MeanConcentration(_) => "mean concentration",
            Instant::Concentration(_) => "concentration",
            Instant::Content => "total content",
            Instant::Number(_) => "mean number",
            Instant::NumberVariance(_) => "variance of the number",
            Instant::NumberLaw(_) => "law of the number",
        },
        KineticEntropyProduction => "kinetic entropy production",
        MeanVelocity => "mean velocity",
        EffectiveDiffusion => "effective diffusion",
        KineticTemperature(_) => "kinetic temperature",
        MomentumFlux => "momentum flux",
        PhaseHeatCurrent => "heat flux",
        KineticHeatCurrent => "kinetic heat flux",
        CarriedHeatCurrent => "heat flux carried",
        SlowCurrent(_) => "slow current",
        FastCurrent(_) => "fast current",
        PeakSlowCurrent(_) => "peak of the slow current",
        CrossoverSpeed(_) => "crossover speed",
        MaxwellDeviation(_) => "deviation from Maxwell's law",
        PhaseDensity(_) => "phase-space density",
        PlaneDensity => "density",
        PlaneCurrentAlong => "current along x",
        PlaneCurrentAcross => "current along q",
        MeanEnergy => "mean energy",
        WellPopulation(_) => "population of the well",
        MeanConcentration(_) => "mean concentration",
        Concentration(_) => "concentration",
        Content => "total content",
        TransportedContent => "sum of m D c",
        ContentCurrent => "current of the content",
        NetRate(_) => "net rate",
    }
}

/// A sentence for the numbers that a reader looks for first.
fn headline(compared: &Compared, experiment: &Experiment, critical_z: f64) -> Option<String> {
    use Observable::*;
    let observable = compared.measured.observable;
    let outcome = compared.measured.outcome(0);
    let estimate = outcome.estimate()?;
    let sigmas = (estimate.value / estimate.std_error).abs();
    let number = format::value_with_error(estimate.value, estimate.std_error);
    let meaning = match observable {
        Soret => format!("soret {number}: {}", gather(estimate, sigmas)),
        // Without a force nothing but chance moves particles that have one state only.
        MeanCurrent(_) if experiment.model.network.states().len() == 1 && !experiment.model.has_forces() => {
            return None;
        }
        MeanCurrent(_) => {
            let state = experiment.label(observable)?;
            format!("hidden current J_{state}: {number}, {}", from_zero(sigmas))
        }
        MeanHeatCurrent => format!("heat flux J_E: {number}, {}", from_zero(sigmas)),
        _ => return None,
    };
    Some(format!("{meaning}, {}", agreement(compared.z[0], critical_z)))
}

/// How particles with more energy than the mean circulate: the current along x of all cells of the coordinate with an energy above
/// Boltzmann's mean in the middle of the domain, averaged over the interior faces.
fn circulation(comparison: &Comparison, experiment: &Experiment, grid: &Grid) -> Option<String> {
    let along =
        comparison.compared.iter().find(|c| c.measured.observable == Observable::PlaneCurrentAlong)?;
    let ends = *experiment.reach.as_ref()?.ends.first()?;
    let energetic = experiment.model.energetic_cells(ends, grid.across);
    let width = (ends[1] - ends[0]) / grid.across as f64 / grid.bins as f64;
    let chosen = |k: &usize| energetic.get(k % grid.across).is_some_and(|cell| cell.0);
    let known: Vec<&Sample> =
        (0..along.z.len()).filter(chosen).filter_map(|k| along.measured.samples[k].as_ref()).collect();
    let groups = known.first()?.pseudo.len();
    let sum = |value: &dyn Fn(&Sample) -> f64| known.iter().map(|s| width * value(s)).sum::<f64>();
    let mean =
        Sample { value: sum(&|s| s.value), pseudo: (0..groups).map(|g| sum(&|s| s.pseudo[g])).collect() };
    let error = mean.std_error();
    let sigmas = (mean.value / error).abs();
    let slope = experiment.model.temperature.slope(0.5 * grid.length);
    let way = match (sigmas >= 3.0, mean.value * slope) {
        (false, _) => "no circulation seen",
        (true, way) if way > 0.0 => "particles circulate, energetic ones to the hot side",
        (true, way) if way < 0.0 => "particles circulate, energetic ones to the cold side",
        (true, _) => "particles circulate",
    };
    let number = format::value_with_error(mean.value, error);
    Some(format!("{way}: J_x = {number} where U > <U>, {}", from_zero(sigmas)))
}

/// Where slow particles run, in the bin at the middle of the domain (Fig 3 of the paper).
fn slow_particles(
    comparison: &Comparison,
    state: usize,
    experiment: &Experiment,
    grid: &Grid,
) -> Option<String> {
    let bin = grid.bins / 2;
    let find = |observable: Observable| {
        let compared = comparison.compared.iter().find(|c| c.measured.observable == observable)?;
        Some((*compared.measured.outcome(bin).estimate()?, compared.z[bin]))
    };
    let (current, z) = find(Observable::PeakSlowCurrent(state))?;
    let sigmas = (current.value / current.std_error).abs();
    let x = (bin as f64 + 0.5) * grid.bin_width();
    let model = &experiment.model;
    let own = &model.network.states()[state];
    let of = match model.network.states().len() {
        1 => String::new(),
        _ => format!(" of {}", own.name),
    };
    let slope = model.temperature.slope(x);
    let way = match (sigmas >= 3.0, current.value * slope) {
        (false, _) => format!("no current of slow particles{of} seen"),
        (true, way) if way > 0.0 => format!("slow particles{of} run to the hot side"),
        (true, way) if way < 0.0 => format!("slow particles{of} run to the cold side"),
        (true, _) => format!("slow particles{of} flow"),
    };
    let thermal = libm::sqrt(3.0 * model.thermal_energy(x) / own.mass.unwrap_or(1.0));
    let crossover = match find(Observable::CrossoverSpeed(state)) {
        Some((v, _)) => format!(
            "largest at v* = {}, sqrt(3 kT/m) = {}",
            format::value_with_error(v.value, v.std_error),
            format::brief(thermal)
        ),
        None => format!("v* is not known, sqrt(3 kT/m) = {}", format::brief(thermal)),
    };
    Some(format!(
        "{way}: J_slow = {} at x = {}, {crossover}; {}",
        format::value_with_error(current.value, current.std_error),
        format::plain(x),
        agreement(z, comparison.critical_z)
    ))
}

fn gather(soret: &Estimate, sigmas: f64) -> String {
    if sigmas < 3.0 {
        return format!("no thermophoresis seen ({})", from_zero(sigmas));
    }
    let side = if soret.value > 0.0 { "cold" } else { "hot" };
    format!("particles gather on the {side} side, {}", from_zero(sigmas))
}

fn from_zero(sigmas: f64) -> String {
    if sigmas < 10.0 {
        format!("{sigmas:.1} standard errors from zero")
    } else {
        format!("{sigmas:.0} standard errors from zero")
    }
}

fn agreement(z: Option<f64>, critical_z: f64) -> String {
    match z {
        Some(z) if z.abs() <= critical_z => {
            format!("agrees with the continuum, z = {}", format::deviate(z))
        }
        Some(z) => format!("DISAGREES with the continuum, z = {}", format::deviate(z)),
        None => "not compared".into(),
    }
}

/// Why there is no verdict.
fn nothing_compared(rounds: u64, experiment: &Experiment) -> &'static str {
    let coordinates = experiment.model.coordinates.as_ref().map_or(0, |c| c.axes.len());
    if rounds == 0 {
        "nothing was compared with theory: the run ended before it scored anything"
    } else if coordinates > 0 && !experiment.measure.times.is_empty() {
        "nothing was compared with theory: what particles with internal coordinates do in time is known of one coordinate where \
         nothing depends on x"
    } else if coordinates > 1 {
        "nothing was compared with theory: no full solution exists for several coordinates, only identities and the limit of fast \
         coordinates"
    } else if experiment.volume().is_some() {
        "nothing was compared with theory: no number is known well enough, or no master equation stands beside the run"
    } else {
        "nothing was compared with theory: no estimate is known well enough, a longer run or more particles may \
         help"
    }
}

/// Everything that lives on bins and faces, and the joint tests.
fn profiles(
    comparison: &Comparison,
    place: &dyn Fn(&Compared, usize) -> String,
    contrasts: &[Contrast],
) -> String {
    let local = comparison.compared.iter().filter(|c| c.measured.observable.support() != Support::Whole);
    let deviates: Vec<(&Compared, usize, f64)> = local
        .flat_map(|c| c.z.iter().enumerate().filter_map(move |(k, z)| z.map(|z| (c, k, z.abs()))))
        .collect();
    let Some(&(worst, k, largest)) = deviates.iter().max_by(|a, b| a.2.total_cmp(&b.2)) else {
        return "no bin and no face could be compared".into();
    };
    let entries = deviates.len();
    let beyond = deviates.iter().filter(|d| d.2 > comparison.critical_z).count();
    let failed: Vec<&str> = contrasts.iter().filter(|c| !c.agrees).map(|c| c.name.as_str()).collect();
    let what = if worst.measured.observable.support() == Support::Numbers {
        "cells of numbers"
    } else {
        "bins and faces"
    };
    let singles = if beyond == 0 {
        format!("all {entries} {what} agree")
    } else {
        format!("{beyond} of {entries} {what} DISAGREE")
    };
    let joint = match failed.as_slice() {
        [] => format!("{} joint tests agree", contrasts.len()),
        failed => format!("joint tests DISAGREE: {}", failed.join("; ")),
    };
    format!(
        "{singles}: largest |z| = {largest:.1} ({}), limit {:.1}; {joint} (family-wise alpha {:.0e})",
        place(worst, k),
        comparison.critical_z,
        comparison.alpha
    )
}
