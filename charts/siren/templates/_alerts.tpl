{{/* The alerts as a YAML list. OURS stands for the matchers of this release's series, LATE for the lanes whose oldest job has waited for longer than
     startWithin, but for the paused ones, whose jobs are meant to wait; $lane, $pool and $value for what an alert is about. pool is a label of one of several rules of the same name. */}}
{{- define "siren.alerts" -}}
{{- $policy := include "siren.policy" . | fromJson -}}
- alert: SirenLaneMissesObjective
  severity: warning
  for: 10m
  expr: max by (lane) (siren_lane_started_in_time_ratio{OURS}) < 0.95 or LATE
  summary: Lane $lane misses its start objective.
  description: >-
    For 10 minutes, fewer than 95 % of the first starts of lane $lane were in time, or its oldest job has waited longer than startWithin.
    `siren lanes` and `siren pools` say what it waits for.
- alert: SirenLaneStuck
  severity: critical
  for: 5m
  expr: >-
    LATE
    unless on (lane) (max by (lane) (siren_lane_running_jobs{OURS}) > 0)
    unless on (lane) (sum by (lane) (increase(siren_worker_jobs_started_total{OURS}[10m])) > 0)
  summary: No job of lane $lane starts.
  description: >-
    Jobs of lane $lane wait longer than its objective, none of them runs, and none was started in 10 minutes: no live worker serves it, more
    urgent lanes starve it.
- alert: SirenSignalsStale
  severity: warning
  for: 2m
  expr: max by (lane) (siren_lane_stale{OURS}) > 0
  summary: The backlog of lane $lane can't be seen.
  description: >-
    RabbitMQ doesn't answer for lane $lane, or what it answers can't be right. Its last backlog stands, and its pool isn't made smaller meanwhile.
- alert: SirenWorkersSilent
  severity: critical
  for: 10m
  expr: >-
    max by (pool) (siren_pool_replicas{OURS} - siren_pool_stuck_replicas{OURS}) > 0
    and on (pool) max by (pool) (siren_pool_ready_workers{OURS} + siren_pool_parked_workers{OURS}) == 0
  summary: No worker of pool $pool sends heartbeats.
  description: >-
    Pool $pool has $value replicas that can run, and for 10 minutes none of them has sent a heartbeat: they can't reach Redis, wait
    for the policy, or hang.
- alert: SirenReplicasStuck
  severity: warning
  for: 10m
  expr: max by (pool) (siren_pool_stuck_replicas{OURS}) > 0
  summary: Workers of pool $pool can't start.
  description: $value replicas of pool $pool can't be scheduled, pulled or started. `siren pools` and the pods' events say why.
- alert: SirenForeignScaler # a counter that begins with a step has no increase
  severity: warning
  expr: >-
    sum by (pool) (increase(siren_scaler_plans_total{OURS,reason="Foreign"}[1h])) > 0
    or sum by (pool) (siren_scaler_plans_total{OURS,reason="Foreign"} unless siren_scaler_plans_total{OURS,reason="Foreign"} offset 1h) > 0
  summary: Somebody else scales pool $pool.
  description: >-
    Within an hour, another autoscaler (an HPA, say) was found to work on the Deployment of pool $pool, so Siren leaves it alone. Remove one of the two.
- alert: SirenNoLeader
  severity: critical
  for: 2m
  expr: absent(siren_scaler_leading{OURS}) or sum(siren_scaler_leading{OURS}) < 1
  summary: No scaler leads.
  description: >-
    No scaler runs, or none gets the Lease. The pools stay as they are, and jobs go on; without any scaler, retries don't come back.
- alert: SirenTicksFail
  severity: critical
  for: 5m
  expr: sum(rate(siren_scaler_failed_ticks_total{OURS}[5m])) > 0.5 * sum(rate(siren_scaler_tick_duration_seconds_count{OURS}[5m]))
  summary: The scaler can't see or act.
  description: >-
    Most of the scaler's ticks fail: Redis or the Kubernetes API doesn't answer, or refuses. The pools stay as they are, and jobs go on. The
    scaler's log says why.
- alert: SirenPolicyRefused
  severity: warning
  for: 5m
  expr: max(siren_scaler_policy_refused{OURS}) > 0
  summary: The policy file can't be followed.
  description: >-
    The policy in the ConfigMap says something that can't be, so an earlier one stays in force. The scaler's log and `siren policy check` name
    every problem.
- alert: SirenRedisAway
  severity: warning
  expr: sum(increase(siren_worker_jobs_unclaimed_total{OURS}[10m])) > 0
  summary: Jobs run without claims, since Redis is away.
  description: >-
    Within 10 minutes, about $value jobs were started without a claim: results stay right, but a job may run twice, and the pools aren't sized.
- alert: SirenRedisAwayLong
  severity: critical
  for: 10m
  expr: max(siren_ledger_away{OURS}) > 0
  summary: Redis has been away for ten minutes.
  description: >-
    For ten minutes a worker or the scaler has had no Redis. Jobs run on without claims; how they ended is kept in the memory of their workers, 10,000 ends
    each at most, and is lost with a worker that is replaced meanwhile.
- alert: SirenEndsDropped
  severity: critical
  expr: sum(increase(siren_ledger_dropped_ends_total{OURS}[15m])) > 0
  summary: The records of some jobs will never say how they ended.
  description: >-
    Within 15 minutes about $value ends of jobs were dropped: a worker's buffer was full while Redis was away, or Redis refused them. The outputs are right; `siren
    jobs` says running of such jobs until `siren jobs retry` has a worker look.
- alert: SirenRetriesStuck
  severity: warning
  for: 10m
  expr: >-
    max by (lane) (siren_lane_retrying_jobs{OURS}) > 0
    and on (lane) changes((max by (lane) (siren_lane_retrying_jobs{OURS}))[{{ include "siren.retryWindow" . }}s:1m]) == 0
  summary: Retries of lane $lane don't come back.
  description: >-
    $value jobs of lane $lane wait for their next attempt, and that number hasn't changed for three times the longest wait: no scaler forwards
    the delay queues, or RabbitMQ refuses it.
- alert: SirenDeadLettersGrow
  severity: warning
  expr: >-
    sum by (lane) (increase(siren_worker_jobs_settled_total{OURS,action="deadLetter"}[15m])) > 0
    or sum by (lane) (siren_worker_jobs_settled_total{OURS,action="deadLetter"} unless siren_worker_jobs_settled_total{OURS,action="deadLetter"} offset 15m) > 0
  summary: Jobs of lane $lane died.
  description: >-
    Within 15 minutes, jobs of lane $lane were found to be unable to succeed. `siren dead list` says which, `siren dead show ID` why.
- alert: SirenLanePaused
  severity: warning
  for: 1h
  expr: max by (lane) (siren_lane_paused{OURS}) > 0
  summary: Lane $lane has been paused for an hour.
  description: >-
    For an hour nobody has taken jobs from lane $lane. They wait, and meanwhile no other alert speaks of that. `siren tunings` says who paused it and
    why, `siren lanes resume $lane` ends it.
- alert: SirenPoolFrozen
  severity: warning
  for: 1h
  expr: max by (pool) (siren_pool_frozen{OURS}) > 0
  summary: Pool $pool has been frozen for an hour.
  description: >-
    For an hour the number of workers in pool $pool has been left as it is, whatever waits. `siren tunings` says who froze it and why, `siren pools
    unfreeze $pool` ends it.
- alert: SirenTuningsIdle
  severity: warning
  for: 15m
  expr: max(siren_tunings_idle{OURS}) > 0
  summary: Tunings don't fit the policy.
  description: >-
    $value tunings are not in force: they name what the policy doesn't have any more, or would break one of its rules. `siren tunings` says which, and why.
{{- range (include "siren.pools" . | fromJson).pools }}
{{- $lanes := join "|" .lanes }}
- alert: SirenPoolAtCeiling
  severity: warning
  for: 15m
  pool: {{ quote .name }}
  expr: >-
    max by (pool) (siren_pool_replicas{OURS,pool="{{ .name }}"} >= siren_pool_max_replicas{OURS,pool="{{ .name }}"})
    and on () (max by (lane) (siren_lane_oldest_wait_seconds{OURS,lane=~"{{ $lanes }}"})
    > on (lane) max by (lane) (siren_lane_start_objective_seconds{OURS,lane=~"{{ $lanes }}"})
    unless on (lane) max by (lane) (siren_lane_paused{OURS}) > 0)
  summary: Pool $pool is at its max while jobs wait too long.
  description: >-
    Pool $pool has all of its $value replicas, and for 15 minutes a lane that it is home to has waited longer than its objective: raise max, or
    expect less.
{{- end }}
{{- if $policy.budget }}
- alert: SirenBudgetSpent
  severity: warning
  for: 15m
  expr: sum(max by (pool) (siren_pool_replicas{OURS})) >= max(siren_budget_replicas{OURS}) and on () LATE
  summary: The pools have spent the budget while jobs wait too long.
  description: >-
    All pools together have $value replicas, as many as the budget allows, and for 15 minutes a lane has waited longer than its objective: raise
    the budget, or expect less.
{{- end }}
- alert: SirenJobsMissing
  severity: warning
  expr: >-
    sum by (lane) (increase(siren_jobs_missing_total{OURS}[15m])) > 0
    or sum by (lane) (siren_jobs_missing_total{OURS} unless siren_jobs_missing_total{OURS} offset 15m) > 0
  summary: Jobs of lane $lane are missing.
  description: >-
    Jobs that were recorded as queued in lane $lane have no message in the broker: a producer was killed before it published them, a queue was purged
    by hand, or the broker has lost its data. `siren jobs list --state missing` says which, `siren jobs retry ID` publishes one again.
{{- if .Values.gateway.enabled }}
- alert: SirenGatewayFails
  severity: warning
  for: 5m
  expr: sum(rate(siren_gateway_requests_total{OURS,code=~"5.."}[5m])) > 0.05 * sum(rate(siren_gateway_requests_total{OURS}[5m]))
  summary: The gateway can't carry out what it is asked for.
  description: >-
    For 5 minutes more than one in twenty requests was answered with 5xx ($value a second): RabbitMQ or Redis is away or refuses the gateway's login, or
    more is asked for at once than the gateway takes.
{{- end }}
{{- end -}}

{{/* Three times the longest wait before a retry, in seconds. */}}
{{- define "siren.retryWindow" -}}
{{- $default := (include "siren.policyDefaults" . | fromJson).lane.retry.max -}}
{{- $longest := int64 0 -}}
{{- range $i, $lane := (include "siren.policy" . | fromJson).lanes -}}
{{- $wait := ($lane.retry | default dict).max | default $default -}}
{{- $longest = max $longest (include "siren.milliseconds" (dict "path" (printf "policy.lanes[%d].retry.max" $i) "value" $wait) | int64) -}}
{{- end -}}
{{- div (mul 3 $longest) 1000 | max 600 -}}
{{- end -}}

{{/* PromQL with its placeholders filled in: (dict "root" $ "text" …). */}}
{{- define "siren.promql" -}}
{{- $ours := .root.Values.monitoring.prometheusRule.selector -}}
{{- if not $ours -}}
{{- $ours = printf "namespace=%q,job=%q" (include "siren.namespace" .root) (include "siren.monitor.job" .root) -}}
{{- end -}}
{{- $late := "(max by (lane) (siren_lane_oldest_wait_seconds{OURS}) > on (lane) max by (lane) (siren_lane_start_objective_seconds{OURS}) unless on (lane) max by (lane) (siren_lane_paused{OURS}) > 0)" -}}
{{- .text | replace "LATE" $late | replace "OURS" $ours -}}
{{- end -}}

{{/* Text for people with its placeholders filled in by Prometheus. */}}
{{- define "siren.alertText" -}}
{{- . | replace "$lane" "{{ $labels.lane }}" | replace "$pool" "{{ $labels.pool }}" | replace "$value" "{{ $value | humanize }}" -}}
{{- end -}}
