//! Unit systems: which number `k_B` is, and what units are called.

use serde::{Deserialize, Serialize};

/// `k_B` in J/K, exact by definition (SI, CODATA 2018).
const BOLTZMANN: f64 = 1.380649e-23;
/// `N_A` in 1/mol, exact by definition.
const AVOGADRO: f64 = 6.02214076e23;
/// `e` in C, exact by definition: 1 eV in J.
const ELECTRONVOLT: f64 = 1.602176634e-19;
/// The thermochemical calorie: 1 kcal in J.
const KILOCALORIE: f64 = 4184.0;

/// The units of temperature and energy of an experiment. Lengths and times are whatever the file means by
/// them; nothing depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Units {
    /// `k_B = 1`: temperatures are energies.
    #[default]
    Reduced,
    /// Temperatures in kelvin, energies in this unit.
    Kelvin(EnergyUnit),
}

/// A unit of energy that goes with kelvin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnergyUnit {
    /// kJ/mol.
    #[serde(rename = "kJ/mol")]
    KilojoulePerMole,
    /// kcal/mol, with 4184 J to the kcal.
    #[serde(rename = "kcal/mol")]
    KilocaloriePerMole,
    /// eV.
    #[serde(rename = "eV")]
    Electronvolt,
    /// meV.
    #[serde(rename = "meV")]
    Millielectronvolt,
    /// J.
    #[serde(rename = "J")]
    Joule,
}

impl EnergyUnit {
    /// All of them.
    pub const ALL: [EnergyUnit; 5] = [
        EnergyUnit::KilojoulePerMole,
        EnergyUnit::KilocaloriePerMole,
        EnergyUnit::Electronvolt,
        EnergyUnit::Millielectronvolt,
        EnergyUnit::Joule,
    ];

    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            EnergyUnit::KilojoulePerMole => "kJ/mol",
            EnergyUnit::KilocaloriePerMole => "kcal/mol",
            EnergyUnit::Electronvolt => "eV",
            EnergyUnit::Millielectronvolt => "meV",
            EnergyUnit::Joule => "J",
        }
    }

    /// `k_B` in this unit per kelvin.
    pub fn boltzmann(self) -> f64 {
        match self {
            EnergyUnit::KilojoulePerMole => BOLTZMANN * AVOGADRO / 1e3,
            EnergyUnit::KilocaloriePerMole => BOLTZMANN * AVOGADRO / KILOCALORIE,
            EnergyUnit::Electronvolt => BOLTZMANN / ELECTRONVOLT,
            EnergyUnit::Millielectronvolt => 1e3 * (BOLTZMANN / ELECTRONVOLT),
            EnergyUnit::Joule => BOLTZMANN,
        }
    }
}

impl Units {
    /// `k_B` in the unit of energy per unit of temperature.
    pub fn boltzmann(self) -> f64 {
        match self {
            Units::Reduced => 1.0,
            Units::Kelvin(energy) => energy.boltzmann(),
        }
    }

    /// What the unit of temperature is called.
    pub fn temperature(self) -> &'static str {
        match self {
            Units::Reduced => "temperature",
            Units::Kelvin(_) => "K",
        }
    }

    /// What the unit of energy is called.
    pub fn energy(self) -> &'static str {
        match self {
            Units::Reduced => "energy",
            Units::Kelvin(energy) => energy.name(),
        }
    }

    /// The convention in a sentence, for the head of every output.
    pub fn convention(self) -> String {
        match self {
            Units::Reduced => {
                "reduced units, k_B = 1: temperatures are energies, S_T is per unit of temperature".into()
            }
            Units::Kelvin(energy) => format!(
                "temperatures in K, energies in {}, k_B = {:e} {}/K; S_T in 1/K; lengths and times in the units \
                 of the file",
                energy.name(),
                energy.boltzmann(),
                energy.name()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boltzmann_constants_are_the_tabulated_ones() {
        // CODATA 2018: R = 8.314462618... J/(mol K), k_B = 8.617333262...e-5 eV/K.
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        near(EnergyUnit::KilojoulePerMole.boltzmann(), 8.31446261815324e-3);
        near(EnergyUnit::KilocaloriePerMole.boltzmann(), 1.987204259e-3);
        near(EnergyUnit::Electronvolt.boltzmann(), 8.617333262e-5);
        near(EnergyUnit::Millielectronvolt.boltzmann(), 8.617333262e-2);
        assert_eq!(EnergyUnit::Joule.boltzmann(), 1.380649e-23);
        assert_eq!(Units::default().boltzmann(), 1.0);
        for unit in EnergyUnit::ALL {
            assert_eq!(serde_json::to_value(unit).unwrap(), unit.name());
            assert!(Units::Kelvin(unit).convention().contains(unit.name()));
        }
    }
}
