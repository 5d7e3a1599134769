// Package fleet examines what runs, as the fleet itself tells of it in Redis: who leads, which policy is in force, the
// workers, their clocks and versions, and jobs that are recorded and missing.
//
// It owns what these facts mean. It asks no worker and no broker, and never changes a record, a policy or a tuning.
package fleet
