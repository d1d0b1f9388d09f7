//! explore
use crate::common::*;
use soret::assisted::assist;
use soret::ensemble::{Control, Ensemble, Group, Plan};
use soret::estimator::{self, Context};
use soret::experiment::{Experiment, registry};
use soret::grid::Grid;
use soret::kernel::Span;
use soret::observable::Observable;
use soret::verification;

fn file(k0: f64, bins: usize) -> Experiment {
    let text = format!(
        r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "0.2*(1 + x)",
            "states": [ {{ "name": "up", "energy": 0.5, "diffusivity": 1 }},
                        {{ "name": "down", "energy": 0, "diffusivity": 0.1 }} ],
            "transitions": [ {{ "between": ["up", "down"], "attempt_rate": {k0}, "barrier": 0.5 }} ],
            "method": {{ "exact": {{}} }},
            "run": {{ "particles": 4096, "legs": 1 }},
            "measure": {{ "bins": {bins} }} }}"#
    );
    Experiment::from_str("t", "t", &text).expect("a sound file")
}

fn go(k0: f64, bins: usize, legs: u64) -> Finished {
    let experiment = file(k0, bins);
    let grid = experiment.grid();
    let runner = registry::runner(&experiment, &grid, None).expect("bounded");
    let pace: f64 = runner.dwell().iter().map(|c| 1.0 / c[0]).fold(0.0, f64::max);
    let plan = Plan { particles: 4096, groups: 64, span: Span::Legs(legs),
        burn_in: (5.0 * experiment.model.relaxation_time() * pace).ceil().min(5.0 * legs as f64 + 1000.0), rounds: 1, times: Vec::new(),
        start: experiment.run.start.clone(), seed: 1 };
    let mut ensemble = Ensemble::begin(runner.as_ref(), &plan, &|_| ()).expect("b");
    ensemble.run(&|_| (), &mut |_| Control::Continue).expect("r");
    let context = Context::new(runner.as_ref(), &experiment.model, &grid, false);
    Finished { context, groups: ensemble.groups().to_vec() }
}

fn exact_groups(finished: &Finished, scale: f64) -> Vec<Group> {
    let context = &finished.context;
    let law = solve(&context.model);
    let grid = &context.grid;
    let cells = Grid { bins: grid.cells(), cells_per_bin: 1, ..*grid };
    let mut exact = Vec::new();
    for s in 0..context.model.network.states().len() {
        let density = law.reference(Observable::StateDensity(s), &cells).expect("known");
        for (p, dwell) in density.into_iter().zip(&context.dwell[s]) {
            exact.push((scale * p.expect("defined") / dwell) as u64);
        }
    }
    let with = |group: &Group| {
        let mut value = serde_json::to_value(group).expect("plain data");
        let visits = value["profile"]["visits"].as_array_mut().expect("counts");
        for (visits, exact) in visits.iter_mut().zip(&exact) {
            *visits = (visits.as_u64().expect("a count") + exact).into();
        }
        serde_json::from_value(value).expect("a group")
    };
    finished.groups.iter().map(with).collect()
}

#[test]
fn explore() {
    for bins in [5, 50] {
    for k0 in [1.0, 100.0, 1e4] {
        let finished = go(k0, bins, 2000);
        let law = solve(&finished.context.model);
        let context = &finished.context;
        let q = verification::questions(context, &finished.groups);
        let begun = std::time::Instant::now();
        let made = assist(context, &finished.groups, &q).expect("a");
        let seconds = begun.elapsed().as_secs_f64();
        let groups = exact_groups(&finished, 1e13 / k0.max(1.0));
        let q = verification::questions(context, &groups);
        let ideal = assist(context, &groups, &q).expect("a");
        note(format!("bins {bins} k0 {k0}: relaxation {:.3}, {seconds:.3} s, {:?}", context.model.relaxation_time(), made.residual));
        let raws: Vec<_> = estimator::standard().iter().flat_map(|e| estimator::measure(e.as_ref(), context, &finished.groups)).collect();
        for ((o, outcomes), (_, ideals)) in made.quantities.iter().zip(&ideal.quantities) {
            let theory = law.reference(*o, &context.grid).expect("known");
            let raw = raws.iter().find(|m| m.observable == *o).expect("raw");
            let mut gains = Vec::new();
            let (mut z, mut bias, mut rel, mut n) = (0.0f64, 0.0f64, 0.0f64, 0);
            let (mut err, mut nulls) = (0.0f64, String::new());
            let size = theory.iter().flatten().fold(0.0f64, |a, t| a.max(t.abs()));
            for (k, (out, id)) in outcomes.iter().zip(ideals).enumerate() {
                let t = theory[k].expect("t");
                match id.estimate() { Some(e) => { bias = bias.max((e.value - t).abs() / size); }, None => nulls = format!("ideal {:?}", id) }
                let Some(e) = out.estimate() else { nulls = format!("{:?}", out); continue };
                z += ((e.value - t) / e.std_error).powi(2); n += 1;
                rel = rel.max(((e.value - t) / e.std_error).abs());
                err += e.std_error / size;
                if let Some(s) = &raw.samples[k] { gains.push((s.std_error() / e.std_error).powi(2)); }
            }
            gains.sort_by(f64::total_cmp);
            let (lo, mid) = if gains.is_empty() { (0.0, 0.0) } else { (gains[0], gains[gains.len() / 2]) };
            note(format!("  {o:?}: gain min {lo:.2e} median {mid:.2e}; rel err {:.1e} bias {bias:.1e}; z rms {:.2} max {rel:.2} {nulls}", err / n as f64, (z / n as f64).sqrt()));
        }
    }
    }
}
