// Package lanes is Siren's domain: the policy (lanes, pools, budget), the job and its wire form, how a job's
// labels choose a lane, and the values that cross a border between two other packages (Delivery, Task, Result,
// Disposition, Heartbeat, Snapshot, Plan).
//
// It knows no broker, no store, no cluster and no clock: everything here is a value or a pure function over values.
// Every other package may import it; it imports none of them.
package lanes
