// Package election elects the leading scaler by a Lease, and tells who holds it. Who leads acts; what it does is not
// decided here.
package election
