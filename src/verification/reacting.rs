//! What populations that react are asked. All contrasts are sums over cells of counts of particles and of passages,
//! against waves that vanish or are flat at the walls.
//!
//! **Stoichiometry.** A passage leaves what every law conserves: the passages of conserved combinations through every face
//! are the change of what is beyond, in integers.
//!
//! **No current of what is conserved.** Between walls nothing conserved flows in the mean, so that `sum_k m_k D_k c_k` is
//! flat (Eq 24's premise), whatever the rates.
//!
//! **Rates.** Passages of a way are `k V prod n.../V^a` times the time in expectation; what is seen of that are the means of the
//! products `n (n - 1)`, which tallies do not keep. At uniform temperature and in detailed balance both ways of a reaction are
//! gone equally often everywhere: their difference is a sum of independent signs.

use super::premise::isothermal;
use super::questions::Interview;
use super::{Evidence, Expected, Question};
use crate::ensemble::{Crowd, Group, Pairing};
use crate::estimator::Context;
use crate::grid::Grid;
use crate::model::{Kinetics, Mixture, Motility};
use crate::volume::Volume;

/// Fewest passages of a reaction in all groups for the law of their difference to be nearly normal.
const FEWEST: u64 = 2000;

/// What a run of realisations of a well-mixed volume is asked.
pub(super) fn of_volume(context: &Context, volume: &Volume, groups: &[Group]) -> Vec<Question> {
    let laws = context.model.mixture.as_deref().map_or(&[][..], Mixture::laws);
    let total =
        |law: &[i64], counts: &[u64]| law.iter().zip(counts).map(|(m, n)| *m as f64 * *n as f64).sum::<f64>();
    let runs = groups.iter().filter_map(|g| g.realisations.as_ref());
    let counts = runs.flat_map(|r| r.counts.chunks(r.species));
    let broken = |c: &&[u64]| laws.iter().any(|law| total(law, c) != total(law, &volume.start));
    let off = counts.filter(broken).count();
    vec![Question {
        name: "every realisation keeps what is conserved".into(),
        law: "sum_k m_k n_k is that of the start".into(),
        expected: Expected::Zero,
        effect: String::new(),
        evidence: Evidence::Exact { holds: off == 0, found: format!("{off} realisations are off") },
    }]
}

/// What a run of populations is asked.
pub(super) struct Reacting<'i, 'a> {
    run: &'i Interview<'a>,
    mixture: &'i Mixture,
    crowds: Vec<&'a Crowd>,
    /// The cells as bins.
    cells: Grid,
}

impl<'i, 'a> Reacting<'i, 'a> {
    /// `None` where nothing reacts.
    pub fn of(run: &'i Interview<'a>) -> Option<Self> {
        let crowds: Vec<&Crowd> =
            run.seen.iter().map(|s| s.group.population.as_ref()).collect::<Option<_>>()?;
        let bins = crowds.first()?.cells();
        let cells = Grid { bins, cells_per_bin: 1, ..run.context.grid };
        Some(Reacting { run, mixture: run.context.model.mixture.as_deref()?, crowds, cells })
    }

    /// Every question, in the order of the report.
    pub fn all(&self) -> Vec<Question> {
        let mut list = vec![self.stoichiometry()];
        list.extend((0..self.mixture.laws().len()).map(|l| self.run.steady(self.flat(l))));
        list.extend((0..self.run.context.states()).map(|k| self.run.steady(self.motion(k))));
        list.extend((0..self.mixture.reactions().len()).map(|r| self.run.steady(self.balance(r))));
        list.push(self.run.steady(self.second_law()));
        list
    }

    fn wave(&self, mode: usize, cosine: bool, x: f64) -> f64 {
        let phase = self.run.weak.phase(mode, x);
        if cosine { libm::cos(phase) } else { libm::sin(phase) }
    }

    /// Concentration times time, `[species][cell]`.
    fn seen(&self, crowd: &Crowd) -> Vec<Vec<f64>> {
        crowd.concentrations(&self.cells)
    }

    fn law_in_words(&self, law: usize, symbol: &str) -> String {
        let terms = self.mixture.laws()[law].iter().zip(self.mixture.species());
        let written = terms.filter(|(m, _)| **m != 0).map(|(m, s)| match m {
            1 => format!("{symbol}_{}", s.name),
            m => format!("{m} {symbol}_{}", s.name),
        });
        written.collect::<Vec<_>>().join(" + ")
    }

    /// Bin by bin, in integers: what reactions made of a law is nothing, wherever they happened.
    fn stoichiometry(&self) -> Question {
        let off: u64 = self
            .crowds
            .iter()
            .map(|crowd| match crowd {
                Crowd::Pairs(pairs) => self.out_of_balance(pairs),
                Crowd::Units(units) => units.tally.broken().len() as u64,
            })
            .sum();
        Question {
            name: "reactions balance in every bin".into(),
            law: "sum_k m_k nu_kr = 0, no current of what is conserved through a wall".into(),
            expected: Expected::Zero,
            effect: String::new(),
            evidence: Evidence::Exact { holds: off == 0, found: format!("{off} bins and walls are off") },
        }
    }

    /// Bins in which reactions changed what a law counts, walls that it passed, totals that are not those of the start.
    fn out_of_balance(&self, pairs: &Pairing) -> u64 {
        let (bins, species) = (self.run.context.grid.bins, self.run.context.states());
        let passages = pairs.tally.passages(bins).unwrap_or_default();
        let crossings = pairs.tally.crossings(self.mixture, bins).unwrap_or_default();
        let now = pairs.population.totals(self.mixture);
        let mut off = 0;
        for ((law, before), now) in self.mixture.laws().iter().zip(&pairs.totals).zip(now) {
            let made = |bin: usize| -> i64 {
                let of = |(r, reaction): (usize, &crate::model::Reaction)| {
                    let change = reaction.change(species);
                    let net = passages[2 * r][bin] as i64 - passages[2 * r + 1][bin] as i64;
                    law.iter().zip(change).map(|(m, d)| m * d * net).sum::<i64>()
                };
                self.mixture.reactions().iter().enumerate().map(of).sum()
            };
            off += (0..bins).filter(|b| made(*b) != 0).count() as u64;
            let out: i64 = law.iter().zip(&crossings).map(|(m, faces)| m * faces[bins]).sum();
            off += u64::from(out != 0) + u64::from(now != *before);
        }
        off
    }

    /// `sum_k m_k D_k c_k` has no wave, for every law.
    fn flat(&self, law: usize) -> Question {
        let weights = &self.mixture.laws()[law];
        let diffusivity: Vec<Vec<f64>> = (0..weights.len())
            .map(|k| {
                let mean = |c: usize| self.cells.cell_mean(c, |x| self.mixture.diffusivity(k, x));
                (0..self.cells.bins).map(|c| weights[k] as f64 * mean(c)).collect()
            })
            .collect();
        let weighed = |crowd: &Crowd, wave: &[f64]| -> f64 {
            let seen = self.seen(crowd);
            let of = |(c, d): (&Vec<f64>, &Vec<f64>)| {
                c.iter().zip(d).zip(wave).map(|((c, d), w)| c * d * w).sum::<f64>()
            };
            seen.iter().zip(&diffusivity).map(of).sum()
        };
        let waves = (1..=self.run.modes).map(|mode| self.cosine(mode));
        let waves: Vec<Vec<f64>> = waves.map(|w| w.into_iter().map(|w| 2.0 * w).collect()).collect();
        let flat = vec![1.0; self.cells.bins];
        Question {
            name: format!("sum of D c is flat: {}", self.law_in_words(law, "c")),
            law: format!("{} = const, each times its D", self.law_in_words(law, "c")),
            expected: Expected::Zero,
            effect: "a wave of {} of its mean".into(),
            evidence: self.contrasts(&|crowd| waves.iter().map(|w| weighed(crowd, w)).collect(), &|crowd| {
                weighed(crowd, &flat)
            }),
        }
    }

    /// `J_k = -d_x(D_k c_k)`: passages through faces against particles seen.
    fn motion(&self, species: usize) -> Question {
        let (n, length) = (self.cells.bins, self.cells.length);
        let mean = |c: usize| self.cells.cell_mean(c, |x| self.mixture.diffusivity(species, x));
        let diffusivity: Vec<f64> = (0..n).map(mean).collect();
        let h = self.cells.bin_width();
        let contrast = |crowd: &Crowd, mode: usize| {
            let faces = crowd.crossings(self.mixture, n);
            let faces = faces.get(species).map_or(&[][..], Vec::as_slice);
            let at = |f: usize| self.wave(mode, false, self.cells.face(f));
            let flow: f64 = faces.iter().enumerate().map(|(f, j)| j * at(f)).sum::<f64>() * h;
            // The difference of the sine across a cell stands for its slope at the faces that were counted.
            let c = self.seen(crowd);
            let seen = c.get(species).map_or(&[][..], Vec::as_slice);
            let slope = |cell: usize| (at(cell + 1) - at(cell)) / h;
            let drift: f64 =
                seen.iter().enumerate().map(|(k, c)| c * diffusivity[k] * slope(k)).sum::<f64>() * h;
            2.0 / length * (flow / crowd.omega() - drift)
        };
        let name = self.run.name(species);
        let law = match &self.mixture.species()[species].motility {
            Motility::Diffusivity(_) => format!("J_{name} = -d_x(D c)"),
            Motility::Friction(_) => format!("J_{name} = -(1/gamma) d_x(kT c)"),
        };
        Question {
            name: format!("{name} moves as its diffusivity says"),
            law,
            expected: Expected::Zero,
            effect: "a wave of J of {}".into(),
            evidence: self.contrasts(
                &|crowd| (1..=self.run.modes).map(|mode| contrast(crowd, mode)).collect(),
                &|crowd| crowd.time(),
            ),
        }
    }

    /// Both ways of a reaction are gone equally often everywhere, in equilibrium.
    fn balance(&self, reaction: usize) -> Question {
        let kinetics = &self.mixture.reactions()[reaction].kinetics;
        let bins = self.run.context.grid.bins;
        let net = |crowd: &Crowd, wave: &dyn Fn(f64) -> f64| -> f64 {
            let passages = crowd.passages(bins);
            let h = self.run.context.grid.bin_width();
            let at = |b: usize| wave((b as f64 + 0.5) * h);
            let of = |way: usize| passages[way].iter().enumerate().map(|(b, n)| n * at(b)).sum::<f64>();
            of(2 * reaction) - of(2 * reaction + 1)
        };
        let all = |crowd: &Crowd| -> f64 {
            let passages = crowd.passages(bins);
            passages[2 * reaction].iter().chain(&passages[2 * reaction + 1]).sum()
        };
        let happened: f64 = self.crowds.iter().map(|crowd| all(crowd)).sum();
        let dissipates = self.mixture.reactions().len() > self.independent();
        let reason = if !isothermal(&self.run.context.model) {
            Some("the temperature varies")
        } else if dissipates && !matches!(kinetics, Kinetics::VantHoff { .. }) {
            Some("reactions form cycles, and rates that are given may drive them")
        } else if happened < FEWEST as f64 {
            Some("too few passages")
        } else {
            None
        };
        let modes = self.run.modes;
        let evidence = match reason {
            Some(reason) => Evidence::Missing { reason: reason.into() },
            None => self.contrasts(
                &|crowd| (1..=modes).map(|mode| net(crowd, &|x| self.wave(mode, true, x))).collect(),
                &all,
            ),
        };
        Question {
            name: format!("both ways of {} balance everywhere", self.mixture.equation(reaction)),
            law: "v_+ = v_- at uniform temperature".into(),
            expected: Expected::Zero,
            effect: "a wave of {} of all passages".into(),
            evidence,
        }
    }

    /// Number of independent reactions.
    fn independent(&self) -> usize {
        self.mixture.species().len() - self.mixture.laws().len()
    }

    /// Heat is taken where it is hot and given where it is cold, on the whole.
    fn second_law(&self) -> Question {
        let follows = |k: &Kinetics| matches!(k, Kinetics::VantHoff { .. });
        let missing = |reason: &str| Evidence::Missing { reason: reason.into() };
        let entropy = |crowd: &Crowd| {
            let heat = crowd.heat(self.mixture, self.cells.bins);
            let over_t = |(c, q): (usize, &f64)| {
                q * self.cells.cell_mean(c, |x| 1.0 / self.run.context.model.thermal_energy(x))
            };
            vec![-heat.iter().enumerate().map(over_t).sum::<f64>() / crowd.omega()]
        };
        let evidence = if !self.mixture.reactions().iter().all(|r| follows(&r.kinetics)) {
            missing("the rates of a reaction do not follow from energies")
        } else if isothermal(&self.run.context.model) {
            missing("the temperature is uniform")
        } else if self.mixture.species().iter().any(|s| s.motility.parts().1.constant().is_none()) {
            missing("a diffusivity varies: as an Ito diffusivity the limit of no equilibrium dynamics")
        } else {
            self.contrasts(&entropy, &|crowd| crowd.time())
        };
        Question {
            name: "entropy is produced".into(),
            law: "-sum (heat absorbed)/T >= 0".into(),
            expected: Expected::NotNegative,
            effect: "an entropy production of {}".into(),
            evidence,
        }
    }

    fn cosine(&self, mode: usize) -> Vec<f64> {
        (0..self.cells.bins).map(|c| self.wave(mode, true, self.cells.cell_middle(c))).collect()
    }

    fn contrasts(&self, sums: &dyn Fn(&Crowd) -> Vec<f64>, scale: &dyn Fn(&Crowd) -> f64) -> Evidence {
        Evidence::Contrasts {
            sums: self.crowds.iter().map(|crowd| sums(crowd)).collect(),
            scale: self.crowds.iter().map(|crowd| scale(crowd)).collect(),
            grain: None,
            room: Vec::new(),
            blind: None,
        }
    }
}
