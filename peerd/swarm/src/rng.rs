//! The only luck there is: a small generator that gives the same numbers on every machine and in every release.
//!
//! `rand`'s `StdRng` may change its algorithm between versions and `SmallRng` differs between machines; a kept scenario
//! must give the same answer for years. `SplitMix64` is eight bytes of state, one multiplication chain per draw and
//! more than enough for tie-breaks (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA
//! 2014; constants from Vigna's reference code). Nothing here guards a secret.

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for an `n` of 0. Multiply-shift: the bias is below n / 2^32, unnoticeable here.
    pub(crate) const fn below(&mut self, n: u32) -> u32 {
        let high = self.next() >> 32;
        ((high * n as u64) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_published_ones() {
        // First outputs of the reference implementation for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!([rng.next(), rng.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut rng = Rng::new(1);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[rng.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1_200).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
