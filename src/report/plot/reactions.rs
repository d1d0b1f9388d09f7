//! The figures of particles that react (Fig 4): concentrations and total content, currents, net rates, `S_T`; with
//! observation times concentrations at some of them.

use super::{Mark, Panel, axis, middle, owner};
use crate::observable::{Instant, Observable};
use crate::report::summary::Summary;

/// Panels of averages over a run.
pub(super) fn panels(summary: &Summary) -> Vec<Panel> {
    let mut panels = vec![
        concentrations(summary),
        currents(summary),
        rates(summary),
        flat(summary),
        super::local_soret(summary),
        deviations(summary),
    ];
    for (panel, letter) in panels.iter_mut().zip('a'..) {
        panel.letter(letter);
    }
    panels
}

/// Concentrations and total content.
fn concentrations(summary: &Summary) -> Panel {
    let mut panel = Panel::new("concentrations", axis(summary, "c", Observable::Content));
    panel.include(0.0);
    for quantity in &summary.quantities {
        match quantity.observable {
            Observable::Content => {
                panel.quantity(quantity, Mark::TOTAL, "total content");
                panel.fast_limit(summary, quantity);
            }
            Observable::Concentration(k) => {
                panel.quantity(quantity, Mark::state(k), owner(quantity));
                panel.fast_limit(summary, quantity);
            }
            _ => {}
        }
    }
    panel.finish_range(summary)
}

/// Currents of all species, and of the content.
fn currents(summary: &Summary) -> Panel {
    let mut panel = Panel::new("currents", axis(summary, "J", Observable::Current(0)));
    panel.zero(summary);
    for quantity in &summary.quantities {
        match quantity.observable {
            Observable::ContentCurrent => panel.quantity(quantity, Mark::TOTAL, "content"),
            Observable::Current(k) => panel.quantity(quantity, Mark::state(k), owner(quantity)),
            _ => {}
        }
    }
    panel.finish_range(summary)
}

/// Passages forward less backward.
fn rates(summary: &Summary) -> Panel {
    let mut panel = Panel::new("net rates of reactions", axis(summary, "v", Observable::NetRate(0)));
    panel.zero(summary);
    for quantity in &summary.quantities {
        if let Observable::NetRate(r) = quantity.observable {
            panel.quantity(quantity, Mark::state(r), owner(quantity));
        }
    }
    panel.finish_range(summary)
}

/// What is the same everywhere.
fn flat(summary: &Summary) -> Panel {
    let label = axis(summary, "sum of m D c", Observable::TransportedContent);
    let mut panel = Panel::new("sum of m D c", label);
    for quantity in &summary.quantities {
        if quantity.observable == Observable::TransportedContent {
            panel.quantity(quantity, Mark::TOTAL, "sum of m D c");
        }
    }
    panel.finish_range(summary)
}

fn deviations(summary: &Summary) -> Panel {
    let mut panel = Panel::new("deviation from theory", "z  (standard errors)");
    panel.include(-3.0);
    panel.include(3.0);
    for quantity in &summary.quantities {
        let (mark, name) = match quantity.observable {
            Observable::Content => (Mark::TOTAL, "total content".to_owned()),
            Observable::Concentration(k) => (Mark::state(k), format!("c {}", owner(quantity))),
            Observable::LocalSoret => (Mark::CROSS, "S_T".to_owned()),
            _ => continue,
        };
        let points: Vec<(f64, f64)> =
            quantity.rows.iter().filter_map(|row| Some((middle(row)?, row.z?))).collect();
        panel.points(&points, mark, &name);
    }
    panel.finish_deviations(summary)
}

/// Panels of a run with observation times: the content and every species, three at most.
pub(super) fn times(summary: &Summary) -> Vec<Panel> {
    const SPECIES: usize = 3;
    let mut panels = vec![super::times::profile(summary, "total content".into(), "c", Instant::Content)];
    for (k, name) in summary.states.iter().enumerate().take(SPECIES) {
        let title = format!("concentration of {name}");
        panels.push(super::times::profile(summary, title, "c", Instant::Concentration(k)));
    }
    for (panel, letter) in panels.iter_mut().zip('a'..) {
        panel.letter(letter);
    }
    panels
}
