// Package watched keeps the objects of a kind as the API server tells of them, and knows for how long it has been
// blind. What they mean is its callers' to say.
package watched
