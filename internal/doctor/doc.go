// Package doctor is what `siren doctor` says: findings, how much each matters, and the report that they make together.
//
// It owns the form of a finding. What there is to find is in the rooms below it, one for each subject: broker
// (RabbitMQ), management (RabbitMQ's API), database (Redis), cluster (Kubernetes), and fleet. In each an examiner
// gathers facts, through the adapter of its subject, and judges say what the facts mean: pure functions, which never
// ask anybody. No room changes what it looks at, and none knows of another, or of how findings are shown.
package doctor
