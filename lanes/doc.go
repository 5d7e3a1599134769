// Package lanes is the policy: lanes, pools, budget and presets, what overrides them for a while, which lane a job's
// labels choose, the order in which lanes are taken, and the queues that they have. The rooms below it are what the
// policy is about: lanes/job, lanes/work and lanes/fleet; and lanes/kinds, which presets are made of.
//
// They know no broker, no store, no cluster and no clock: everything here is a value or a pure function over values.
// Every other package may import them; they import one another, and nothing else of Siren's.
package lanes
