//! The vocabulary shared by estimators and theory: what can be measured, on which support, in which
//! dimension.
//!
//! An estimator answers with an [`Observable`] and numbers from trajectories; the continuum theory
//! answers with the same [`Observable`] and numbers from a deterministic solution; the comparison
//! joins the two by equality. Neither side needs to know the other.

use crate::model::Units;
use serde::{Deserialize, Serialize};

/// A measurable quantity. Formulas as in `docs/physics.md`; `P` is normalised to one particle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observable {
    /// Total density `P_tot`, averaged over each bin. Dimension 1/length.
    Density,
    /// Density `P_i` of a state, averaged over each bin. 1/length.
    StateDensity(usize),
    /// `P_tot` at both walls and at every interior face: values at points, not averages. 1/length.
    PointDensity,
    /// The same of a state. 1/length.
    PointStateDensity(usize),
    /// Fraction of particles in a state, `int P_i dx`. Dimensionless.
    Population(usize),
    /// Particle current `J_i` of a state through each interior face. 1/time.
    Current(usize),
    /// `J_i` averaged over each bin: the mean over the `cells_per_bin + 1` cell faces of the bin,
    /// the two outermost with weight one half (trapezoidal rule). 1/time.
    WindowCurrent(usize),
    /// `J_i` averaged over the whole domain by the same trapezoidal rule on all cell faces
    /// (the current is zero at the walls). 1/time.
    MeanCurrent(usize),
    /// Heat flux `J_E = sum_i E_i J_i` through each interior face. energy/time.
    HeatCurrent,
    /// `J_E` averaged over the domain like [`Observable::MeanCurrent`]; of underdamped particles the mean of
    /// [`Observable::PhaseHeatCurrent`]. energy/time.
    MeanHeatCurrent,
    /// `J_E` of the interior, `int w J_E dx/int w dx` with `w = x (L - x)` at faces and linear between them, as it was
    /// carried by moves between walls. energy/time.
    InteriorHeatCurrent,
    /// The same number from where particles are, by Ito's form of their current, `J_x = -d_x(D P)` of Eq 14: with
    /// `C = int D P dq`, which is the same at every x, and `<E D>/<D>` in each bin, `-int w C d_x(<E D>/<D>) dx/int w dx`. There must
    /// be no force along x, and steps must be short, `(pi/L)^2 <D> dt < 0.15`. energy/time.
    ItoHeatCurrent,
    /// Heat absorbed from the local bath per unit time and length in each bin,
    /// `d_x J_E` at stationarity without work. energy/(time length).
    HeatAbsorbed,
    /// Transitions along a directed channel (see `model::Channel`) per unit time and length in each bin,
    /// `k_{to<-from} P_from`. 1/(time length).
    TransitionRate(usize),
    /// Bin-averaged local Soret coefficient
    /// `S_T = -[P_tot(x_hi) - P_tot(x_lo)] / ([T(x_hi) - T(x_lo)] <P_tot>_bin)`. 1/temperature.
    LocalSoret,
    /// Global Soret coefficient: the `S` for which `exp(-S T(x))` on the domain has the mean of
    /// `T` that the density has. 1/temperature.
    Soret,
    /// `-ln(P_hot/P_cold)/(T_hot - T_cold)` from point densities at the two walls. 1/temperature.
    SoretWall,
    /// Mean of `T` over the density, `int T P_tot dx`. Temperature.
    MeanTemperature,
    /// Entropy production `-sum (heat absorbed)/T` per unit time, in units of k_B. 1/time.
    EntropyProduction,
    /// Entropy production per time of single trajectories, `ds_tot` of [`crate::trajectory`]. 1/time.
    TrajectoryEntropyProduction,
    /// Its diffusive part, `int sum_i J_i^2/(D_i P_i) dx`. 1/time.
    DiffusiveEntropyProduction,
    /// Its reactive part, `int sum_edges (net flux) ln(forward flux/backward flux) dx`. 1/time.
    ReactiveEntropyProduction,
    /// Mean of `exp(-ds_tot)` over segments; 1 by the integral fluctuation theorem. Dimensionless.
    FluctuationTheorem,
    /// Standard deviation of `ds_tot` over segments. Dimensionless.
    EntropySpread,
    /// Variance over mean of the passages along a directed channel in a segment. Dimensionless.
    Fano(usize),
    /// Net passages along an edge that closes a cycle of the network. 1/time.
    CycleCurrent(usize),
    /// Their variance over the size of their mean in a segment. Dimensionless.
    CycleFano(usize),
    /// `sigma t Var(N)/(2 <N>^2)` of the same net number `N` in a segment of duration t; at least 1 by the
    /// thermodynamic uncertainty relation. Dimensionless.
    UncertaintyProduct(usize),
    /// What is seen at one moment: at the observation time of this index.
    At(usize, Instant),
    /// What an underdamped particle would dissipate besides, in the overdamped limit with frictions:
    /// `sum_i int P_i k_B T'^2/(2 gamma_i T) dx` in units of k_B (the entropic anomaly). 1/time.
    KineticEntropyProduction,
    /// On a ring, the mean velocity `L sum_i J_i`. length/time.
    MeanVelocity,
    /// On a ring, `D_eff = Var(displacement)/(2 t)` in the long run, the displacement counted round the ring
    /// without end. length^2/time.
    EffectiveDiffusion,
    /// Of underdamped particles, the kinetic temperature `m_i <v^2>_i/k_B` of a state, averaged over each bin with the
    /// weight `P_i`. Temperature.
    KineticTemperature(usize),
    /// Flux of momentum `sum_i m_i P_i <v^2>_i`, averaged over each bin; flat for one state without a force.
    /// energy/length.
    MomentumFlux,
    /// `J_E` in phase space, `sum_i P_i (m_i <v^3>_i/2 + (H_i + U + U_i) <v>_i)`, averaged over each bin. energy/time.
    PhaseHeatCurrent,
    /// The same without internal and potential energies: `sum_i P_i m_i <v^3>_i/2`. energy/time.
    KineticHeatCurrent,
    /// `J_E` through each interior face as it was carried by moves: what was absorbed on the side of smaller x less
    /// what is stored there, all energies included. energy/time.
    CarriedHeatCurrent,
    /// Current of slow particles of a state, `J_slow(x, V) = int_{-V}^{V} v P_i dv` (C29), averaged over each bin, at
    /// the outer edges `V` of half of the cells of velocity. 1/time.
    SlowCurrent(usize),
    /// Current of fast particles `J_i - J_slow(x, V)` at the same speeds. 1/time.
    FastCurrent(usize),
    /// `J_slow(x, V)` at `V = sqrt(3 kT/m_i)`, where it is largest in the overdamped limit; averaged over each bin.
    /// 1/time.
    PeakSlowCurrent(usize),
    /// The speed `v*(x)` at which `J_slow(x, V)` of a state is largest, in each bin. length/time.
    CrossoverSpeed(usize),
    /// Deviation from Maxwell's law (C10): `<u^3 - 3u>_i/6` in each bin, `u = v sqrt(m_i/kT)`. Dimensionless.
    MaxwellDeviation(usize),
    /// Density `P_i(x, v)` of a state in phase space, averaged over each bin and cell of velocity.
    /// 1/(length velocity).
    PhaseDensity(usize),
    /// Density `P(x, q)` in the plane of x and an internal coordinate q, summed over states and over other
    /// coordinates, averaged over each bin and cell of q. 1/(length coordinate).
    PlaneDensity,
    /// Its current along x, `J_x(x, q)`, through each interior face, averaged over each cell of q.
    /// 1/(time coordinate).
    PlaneCurrentAlong,
    /// Its current along q, `J_q(x, q)`, through each edge between cells of q, averaged over each bin.
    /// 1/(time length).
    PlaneCurrentAcross,
    /// Mean energy of the particles in each bin. Energy.
    MeanEnergy,
    /// Fraction of particles in a well of the potential of an internal coordinate, counted from the smallest
    /// coordinate. Dimensionless.
    WellPopulation(usize),
    /// Of particles that react: mean concentration of a species over the domain. Concentration.
    MeanConcentration(usize),
    /// Concentration `c_k` of a species, averaged over each bin. Concentration.
    Concentration(usize),
    /// Total content `c_tot = sum_k m_k c_k`, averaged over each bin. Concentration.
    Content,
    /// `sum_k m_k D_k c_k`, averaged over each bin; flat between walls where the content is conserved.
    /// concentration length^2/time.
    TransportedContent,
    /// Current of the content, `sum_k m_k J_k`, through each interior face; zero between walls where it is conserved.
    /// concentration length/time.
    ContentCurrent,
    /// Extent of a reaction per time and length in each bin: passages forward less backward. concentration/time.
    NetRate(usize),
}

/// What is seen of the particles at one moment `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instant {
    /// `P_tot(x, t)`, averaged over each bin. 1/length.
    Density,
    /// `P_i(x, t)` of a state, averaged over each bin. 1/length.
    StateDensity(usize),
    /// Fraction of particles in a state. Dimensionless.
    Population(usize),
    /// Mean of x. Length.
    MeanPosition,
    /// Amplitude of mode `n >= 1` in a state, `int P_i cos(n pi x/L) dx`; on a ring of `cos(2 pi n x/L)`.
    /// Dimensionless.
    Mode(usize, usize),
    /// On a ring: mean of the displacement since the start of the observation, laps included. Length.
    Displacement,
    /// On a ring: mean of its square. Length^2.
    SquareDisplacement,
    /// On a ring: fourth central moment of the displacement over the square of its variance; 3 for a
    /// Gaussian. Dimensionless.
    Kurtosis,
    /// Mean concentration of a species over the domain. Concentration.
    MeanConcentration(usize),
    /// Concentration of a species, averaged over each bin. Concentration.
    Concentration(usize),
    /// Total content, averaged over each bin. Concentration.
    Content,
    /// In a well-mixed volume: mean number of particles of a species. Dimensionless.
    Number(usize),
    /// Variance of that number over realisations. Dimensionless.
    NumberVariance(usize),
    /// Its law: probability of each cell of numbers. Dimensionless.
    NumberLaw(usize),
}

/// Where an observable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// One number for the whole domain.
    Whole,
    /// One number per bin, `bins` of them.
    Bins,
    /// One number per interior face, `bins - 1` of them; the face `k` lies at `k * length / bins`,
    /// `k` in `1..bins`.
    Faces,
    /// One number per face, walls included, `bins + 1` of them.
    Points,
    /// One number per bin and cell of a second coordinate, bin by bin.
    Plane,
    /// One number per bin and speed, bin by bin: the upper half of the cells of velocity.
    Speeds,
    /// One number per interior face and cell of a second coordinate, face by face.
    PlaneFaces,
    /// One number per bin and edge between cells of a second coordinate, bin by bin.
    PlaneEdges,
    /// One number per cell of the number of particles of a species.
    Numbers,
}

impl Observable {
    /// Where the observable lives.
    pub fn support(self) -> Support {
        use Observable::*;
        match self {
            Density
            | StateDensity(_)
            | WindowCurrent(_)
            | HeatAbsorbed
            | TransitionRate(_)
            | LocalSoret
            | KineticTemperature(_)
            | MomentumFlux
            | PhaseHeatCurrent
            | KineticHeatCurrent
            | PeakSlowCurrent(_)
            | CrossoverSpeed(_)
            | MaxwellDeviation(_) => Support::Bins,
            MeanEnergy | Concentration(_) | Content | TransportedContent | NetRate(_) => Support::Bins,
            MeanConcentration(_) => Support::Whole,
            PointDensity | PointStateDensity(_) => Support::Points,
            PhaseDensity(_) | PlaneDensity => Support::Plane,
            PlaneCurrentAlong => Support::PlaneFaces,
            PlaneCurrentAcross => Support::PlaneEdges,
            SlowCurrent(_) | FastCurrent(_) => Support::Speeds,
            At(_, Instant::Density | Instant::StateDensity(_)) => Support::Bins,
            At(_, Instant::Concentration(_) | Instant::Content) => Support::Bins,
            At(_, Instant::NumberLaw(_)) => Support::Numbers,
            At(..) => Support::Whole,
            Current(_) | HeatCurrent | CarriedHeatCurrent | ContentCurrent => Support::Faces,
            Population(_)
            | WellPopulation(_)
            | MeanCurrent(_)
            | MeanHeatCurrent
            | InteriorHeatCurrent
            | ItoHeatCurrent
            | Soret
            | SoretWall
            | MeanTemperature
            | EntropyProduction
            | TrajectoryEntropyProduction
            | DiffusiveEntropyProduction
            | ReactiveEntropyProduction
            | FluctuationTheorem
            | EntropySpread
            | Fano(_)
            | CycleCurrent(_)
            | CycleFano(_)
            | UncertaintyProduct(_)
            | KineticEntropyProduction
            | MeanVelocity
            | EffectiveDiffusion => Support::Whole,
        }
    }

    /// Name of the second coordinate, where there is one: the velocity `v`, the speed `V` of which a current is a
    /// function, an internal coordinate `q` whatever its own name is, the number `n` of particles of a species.
    pub fn axis(self) -> Option<&'static str> {
        match self {
            Observable::PhaseDensity(_) => Some("v"),
            Observable::SlowCurrent(_) | Observable::FastCurrent(_) => Some("speed"),
            Observable::PlaneDensity | Observable::PlaneCurrentAlong | Observable::PlaneCurrentAcross => {
                Some("q")
            }
            Observable::At(_, Instant::NumberLaw(_)) => Some("n"),
            _ => None,
        }
    }

    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        use Observable::*;
        match self {
            Density => "density",
            StateDensity(_) => "state_density",
            PointDensity => "point_density",
            PointStateDensity(_) => "point_state_density",
            Population(_) => "population",
            Current(_) => "current",
            WindowCurrent(_) => "window_current",
            MeanCurrent(_) => "mean_current",
            HeatCurrent => "heat_current",
            MeanHeatCurrent => "mean_heat_current",
            InteriorHeatCurrent => "interior_heat_current",
            ItoHeatCurrent => "interior_heat_current_ito",
            HeatAbsorbed => "heat_absorbed",
            TransitionRate(_) => "transition_rate",
            LocalSoret => "local_soret",
            Soret => "soret",
            SoretWall => "soret_wall",
            MeanTemperature => "mean_temperature",
            EntropyProduction => "entropy_production",
            TrajectoryEntropyProduction => "trajectory_entropy_production",
            DiffusiveEntropyProduction => "diffusive_entropy_production",
            ReactiveEntropyProduction => "reactive_entropy_production",
            FluctuationTheorem => "fluctuation_theorem",
            EntropySpread => "entropy_spread",
            Fano(_) => "fano_factor",
            CycleCurrent(_) => "cycle_current",
            CycleFano(_) => "cycle_fano_factor",
            UncertaintyProduct(_) => "uncertainty_product",
            At(_, what) => match what {
                Instant::Density => "density_at",
                Instant::StateDensity(_) => "state_density_at",
                Instant::Population(_) => "population_at",
                Instant::MeanPosition => "mean_position_at",
                Instant::Mode(..) => "mode_at",
                Instant::Displacement => "displacement_at",
                Instant::SquareDisplacement => "square_displacement_at",
                Instant::Kurtosis => "kurtosis_at",
                Instant::MeanConcentration(_) => "mean_concentration_at",
                Instant::Concentration(_) => "concentration_at",
                Instant::Content => "content_at",
                Instant::Number(_) => "number_at",
                Instant::NumberVariance(_) => "number_variance_at",
                Instant::NumberLaw(_) => "number_law_at",
            },
            KineticEntropyProduction => "kinetic_entropy_production",
            MeanVelocity => "mean_velocity",
            EffectiveDiffusion => "effective_diffusion",
            KineticTemperature(_) => "kinetic_temperature",
            MomentumFlux => "momentum_flux",
            PhaseHeatCurrent => "heat_current",
            KineticHeatCurrent => "kinetic_heat_current",
            CarriedHeatCurrent => "heat_current_carried",
            SlowCurrent(_) => "slow_current",
            FastCurrent(_) => "fast_current",
            PeakSlowCurrent(_) => "peak_slow_current",
            CrossoverSpeed(_) => "crossover_speed",
            MaxwellDeviation(_) => "maxwell_deviation",
            PhaseDensity(_) => "phase_density",
            PlaneDensity => "plane_density",
            PlaneCurrentAlong => "plane_current_x",
            PlaneCurrentAcross => "plane_current_q",
            MeanEnergy => "mean_energy",
            WellPopulation(_) => "well_population",
            MeanConcentration(_) => "mean_concentration",
            Concentration(_) => "concentration",
            Content => "content",
            TransportedContent => "transported_content",
            ContentCurrent => "content_current",
            NetRate(_) => "net_rate",
        }
    }
}

impl Support {
    /// Number of entries on a grid.
    pub fn entries(self, grid: &crate::grid::Grid) -> usize {
        match self {
            Support::Whole => 1,
            Support::Bins => grid.bins,
            Support::Faces => grid.bins - 1,
            Support::Points => grid.bins + 1,
            Support::Plane => grid.bins * grid.across,
            Support::Speeds => grid.bins * (grid.across / 2),
            Support::PlaneFaces => (grid.bins - 1) * grid.across,
            Support::PlaneEdges => grid.bins * grid.across.saturating_sub(1),
            Support::Numbers => grid.across,
        }
    }

    /// Ends of entry `k` along x; a face has both ends at its place.
    pub fn ends(self, grid: &crate::grid::Grid, k: usize) -> Option<(f64, f64)> {
        match self {
            Support::Whole | Support::Numbers => None,
            Support::Bins => Some((grid.face(k), grid.face(k + 1))),
            Support::Faces => Some((grid.face(k + 1), grid.face(k + 1))),
            Support::Points => Some((grid.face(k), grid.face(k))),
            Support::Plane => Support::Bins.ends(grid, k / grid.across),
            Support::Speeds => Support::Bins.ends(grid, k / (grid.across / 2)),
            Support::PlaneFaces => Support::Faces.ends(grid, k / grid.across),
            Support::PlaneEdges => Support::Bins.ends(grid, k / (grid.across - 1)),
        }
    }
}

impl Observable {
    /// Dimension in words; densities are normalised to one particle.
    pub fn dimension(self) -> &'static str {
        use Observable::*;
        match self {
            Density | StateDensity(_) | PointDensity | PointStateDensity(_) => "1/length",
            Population(_) => "1",
            Current(_) | WindowCurrent(_) | MeanCurrent(_) | EntropyProduction | KineticEntropyProduction => {
                "1/time"
            }
            TrajectoryEntropyProduction
            | DiffusiveEntropyProduction
            | ReactiveEntropyProduction
            | CycleCurrent(_) => "1/time",
            FluctuationTheorem | EntropySpread | Fano(_) | CycleFano(_) | UncertaintyProduct(_) => "1",
            HeatCurrent | MeanHeatCurrent | InteriorHeatCurrent | ItoHeatCurrent => "energy/time",
            HeatAbsorbed => "energy/(time length)",
            TransitionRate(_) => "1/(time length)",
            LocalSoret | Soret | SoretWall => "1/temperature",
            MeanTemperature => "temperature",
            At(_, what) => match what {
                Instant::Density | Instant::StateDensity(_) => "1/length",
                Instant::Population(_) | Instant::Mode(..) | Instant::Kurtosis => "1",
                Instant::MeanPosition | Instant::Displacement => "length",
                Instant::SquareDisplacement => "length^2",
                Instant::MeanConcentration(_) | Instant::Concentration(_) | Instant::Content => {
                    "concentration"
                }
                Instant::Number(_) | Instant::NumberVariance(_) | Instant::NumberLaw(_) => "1",
            },
            KineticTemperature(_) => "temperature",
            MomentumFlux => "energy/length",
            PhaseHeatCurrent | KineticHeatCurrent | CarriedHeatCurrent => "energy/time",
            SlowCurrent(_) | FastCurrent(_) | PeakSlowCurrent(_) => "1/time",
            CrossoverSpeed(_) => "length/time",
            MaxwellDeviation(_) => "1",
            PhaseDensity(_) => "1/(length velocity)",
            PlaneDensity => "1/(length coordinate)",
            PlaneCurrentAlong => "1/(time coordinate)",
            PlaneCurrentAcross => "1/(time length)",
            MeanEnergy => "energy",
            WellPopulation(_) => "1",
            MeanVelocity => "length/time",
            EffectiveDiffusion => "length^2/time",
            MeanConcentration(_) | Concentration(_) | Content => "concentration",
            TransportedContent => "concentration length^2/time",
            ContentCurrent => "concentration length/time",
            NetRate(_) => "concentration/time",
        }
    }

    /// The same of particles that react: not per particle but per unit of concentration.
    pub fn dimension_of_mixtures(self) -> &'static str {
        use Observable::*;
        match self {
            Current(_) | MeanCurrent(_) => "concentration length/time",
            HeatCurrent | MeanHeatCurrent => "energy concentration length/time",
            HeatAbsorbed => "energy concentration/time",
            EntropyProduction => "concentration length/time",
            other => other.dimension(),
        }
    }

    /// The dimension with the names of units where they are known: `1/K`, `kJ/mol per time`.
    pub fn dimension_in(self, units: Units) -> String {
        named(self.dimension(), units)
    }
}

/// A dimension with the names of units.
pub(crate) fn named(dimension: &str, units: Units) -> String {
    {
        let Units::Kelvin(_) = units else {
            return dimension.to_owned();
        };
        match dimension.split_once('/') {
            Some(("energy", per)) => format!("{} per {per}", units.energy()),
            _ if dimension.starts_with("energy ") => dimension.replacen("energy", units.energy(), 1),
            _ => dimension.replace("temperature", units.temperature()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EnergyUnit;

    #[test]
    fn units_take_the_place_of_dimensions() {
        let kelvin = Units::Kelvin(EnergyUnit::KilojoulePerMole);
        let named = |o: Observable| [Units::Reduced, kelvin].map(|u| o.dimension_in(u));
        assert_eq!(named(Observable::Soret), ["1/temperature", "1/K"]);
        assert_eq!(named(Observable::MeanTemperature), ["temperature", "K"]);
        assert_eq!(named(Observable::HeatCurrent), ["energy/time", "kJ/mol per time"]);
        assert_eq!(named(Observable::HeatAbsorbed), ["energy/(time length)", "kJ/mol per (time length)"]);
        assert_eq!(named(Observable::Density), ["1/length", "1/length"]);
    }
}
