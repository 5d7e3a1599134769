// Package paramset is params that jobs get when they run again: reading them, which kinds take them, and what they
// would make wrong in a job.
package paramset
