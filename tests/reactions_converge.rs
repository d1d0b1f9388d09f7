//! Orders of the bias of cells and steps without noise, of finite numbers, and studies of convergence of particles that react.

use soret::experiment::Experiment;
use soret::grid::Grid;
use soret::observable::Observable;
use soret::theory::reaction::steps::{Meeting, solve};
use soret::theory::reaction::{Amounts, steady};

#[test]
fn explore() {
    for f in ["fig4", "dimer_warm", "catalysis"] {
        let e = Experiment::read(std::path::Path::new(&format!("experiments/{f}.json"))).expect("a file");
        let mixture = e.model.mixture.clone().expect("a mixture");
        let law = steady::solve(&mixture, &Amounts::Concentrations(e.mean_concentrations()), &steady::Options::default()).expect("a law");
        let near = law.profiles();
        let grid = Grid::new(1.0, 4);
        let (cells, dt) = (e.method.cells().unwrap(), e.method.dt().unwrap());
        let names = [Observable::Soret, Observable::MeanConcentration(1), Observable::MeanCurrent(0), Observable::MeanHeatCurrent];
        let show = |what: String, l: &soret::theory::reaction::StepLaw| {
            let v: Vec<f64> = names.iter().map(|o| {
                let r = near.reference(*o, &grid).unwrap()[0].unwrap();
                l.reference(*o, &grid).unwrap()[0].unwrap() / r - 1.0
            }).collect();
            println!("{f} {what}: {v:?}");
        };
        let t = std::time::Instant::now();
        for c in [4, 8, 16, 32, 64] {
            if let Some(l) = solve(near, c, dt, Meeting::InCells) { show(format!("cells {c}"), &l); } else { println!("{c} none"); }
            println!("{:?}", t.elapsed());
        }
        for c in [64, 96] {
            if let Some(l) = solve(near, c, dt, Meeting::AtPoints) { show(format!("points {c}"), &l); } else { println!("{c} none"); }
            println!("{:?}", t.elapsed());
        }
        for k in [64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25] {
            if let Some(l) = solve(near, cells, k*dt, Meeting::InCells) { show(format!("dt {k}"), &l); } else { println!("{k} none"); }
            println!("{:?}", t.elapsed());
        }
    }
}
