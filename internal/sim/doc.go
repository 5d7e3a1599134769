// Package sim plays a load through a simulated fleet, much faster than it would take. The scaler's decisions are those
// of production: law.Decide is called with observations as the loop makes them, and its plans are carried out as the
// loop does it. Only what is around it is simulated: the clock, queues, slots, heartbeats and the cluster.
//
// It knows nothing of RabbitMQ, Redis and Kubernetes, and reads no clock: the same configuration gives the same result.
// Loads are made by load, other scalers by rival.
//
// The model, where it says more than the law does:
//   - A job goes to the shared slot that has been idle longest, in any pool that may take it, and only then to a
//     shoulder. A slot that comes free takes by lanes.Effective.TakeOrder.
//   - A worker has as many cores as shared slots, and a job runs in its service time when it has one. With a job on the
//     shoulder more may run than there are cores: then they share them by the weights that Linux gives their nice, so
//     a job on the shoulder slows the others of its worker down and is hardly slowed itself (Config.FreeShoulder has
//     it slow nobody).
//   - A worker hears orders at its heartbeat, and what it says is what was true before it followed them.
//   - A pod is removed as a ReplicaSet does it: those that aren't ready first, then those that the scaler named, then
//     at random. What runs on it starts again elsewhere.
package sim
