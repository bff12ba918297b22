//! Whatever subscribers, timers and gateways do, in whatever order and however often: nobody is charged twice for a period,
//! no more is given back than was taken, credits are never negative, the ledger balances at every event, and nobody is
//! served unpaid past the end of the dunning.

mod gateway;
mod process;
mod world;

use proptest::prelude::*;

use gateway::Verdict;
use world::{Op, World};

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        5 => Just(Verdict { succeeds: true, told: true }),
        3 => Just(Verdict { succeeds: false, told: true }),
        1 => Just(Verdict { succeeds: true, told: false }),
        1 => Just(Verdict { succeeds: false, told: false }),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1_i64..800).prop_map(Op::Wait),
        10 => any::<bool>().prop_map(|twice| Op::Process { twice }),
        6 => Just(Op::EndPeriod),
        8 => any::<bool>().prop_map(|by_subscriber| Op::Charge { by_subscriber }),
        8 => verdicts().prop_map(Op::Answer),
        3 => Just(Op::Ask),
        3 => (0_usize..5).prop_map(Op::ChangePlan),
        2 => Just(Op::Pause),
        3 => Just(Op::Resume),
        1 => Just(Op::CancelNow),
        1 => Just(Op::CancelAtPeriodEnd),
        3 => Just(Op::Reactivate),
        1 => (0_u32..3).prop_map(Op::Coupon),
        2 => (1_u32..4).prop_map(Op::Buy),
        4 => (0_u128..12).prop_map(Op::Spend),
        1 => Just(Op::TakeBack),
        3 => (1_u64..=100).prop_map(Op::Refund),
        2 => any::<bool>().prop_map(Op::AnswerRefund),
    ]
}

fn run(trial: bool, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut world = World::new(trial);
    world.check()?;
    for op in ops {
        world.apply(op)?;
        world.check()?;
    }
    world.come_to_rest()?;
    world.check()?;
    world.check_at_rest()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_charged_twice_or_served_unpaid(trial in any::<bool>(), ops in prop::collection::vec(ops(), 1..120)) {
        run(trial, ops)?;
    }

    #[test]
    fn what_a_wrong_gateway_takes_twice_is_given_back(
        ops in prop::collection::vec(prop_oneof![9 => ops(), 1 => any::<prop::sample::Index>().prop_map(Op::Misbehave)], 1..120),
    ) {
        run(false, ops)?;
    }
}

#[test]
fn a_year_of_renewals_with_a_decline_and_a_lost_answer_comes_to_rest() {
    let good = Verdict { succeeds: true, told: true };
    let mut ops = vec![];
    for month in 0..12 {
        ops.extend([Op::Process { twice: true }, Op::Charge { by_subscriber: false }, Op::Process { twice: false }]);
        match month {
            3 => ops.extend([
                Op::Answer(Verdict { succeeds: false, told: true }),
                Op::Process { twice: true },
                Op::Wait(24),
                Op::Charge { by_subscriber: false },
                Op::Process { twice: false },
                Op::Answer(good),
            ]),
            7 => ops.extend([Op::Answer(Verdict { succeeds: true, told: false }), Op::Wait(30), Op::Ask]),
            _ => ops.push(Op::Answer(good)),
        }
        ops.extend([Op::Process { twice: true }, Op::Wait(31 * 24), Op::EndPeriod]);
    }
    let mut world = World::new(false);
    for op in ops {
        world.apply(op).and_then(|()| world.check()).expect("every invariant holds");
    }
    assert_eq!(world.charges(), 12, "each of twelve periods was charged once");
}
