// Package chaos breaks what a running shmkeeper depends on, one thing after the other, while
// Pods are created all the time on a real API server:
//
//	make chaos                          # every scenario once, in an order drawn from a seed
//	make chaos SEED=7 MINUTES=30        # then scenarios at random, for half an hour in all
//	make chaos CHAOS='certificate'      # the scenarios whose names match a regular expression
//	make chaos-short                    # the short ones alone
//
// Two invariants hold in every scenario, and are judged by what the API server stored:
//
//  1. In mode enforce no Pod is stored that violates a policy of which the status said Accepted
//     and MatchConditionCurrent before the creation began.
//  2. No other creation fails because of shmkeeper.
//
// Besides, each scenario says whether Pods may be rejected in mode enforce while it lasts. After
// it everything has to work again, the replicas hold no more goroutines, descriptors or memory
// than in the beginning, and their logs and metrics, or those of the API server, say what happened.
//
// What a stored Pod needs is worked out here from the plain figures of the policy: nothing of
// shmkeeper's engine is asked.
package chaos
