{{/* Fails where fields of the policy don't go together, as lanes.Validate would; siren.lanes and siren.pools fail for names and counts that they need
     themselves. What only the scaler can judge is in docs/gen/refusals.go. */}}
{{- define "siren.policyRules" -}}
{{- $policy := include "siren.policy" . | fromJson -}}
{{- $defaults := include "siren.policyDefaults" . | fromJson -}}
{{- $broker := include "siren.filled" (dict "of" $policy.broker "defaults" $defaults.broker) | fromJson -}}
{{- $timeout := include "siren.milliseconds" (dict "path" "policy.broker.consumerTimeout" "value" $broker.consumerTimeout) | int64 -}}
{{- if lt $timeout (mul 20 60000) -}}
{{- fail (printf "policy.broker.consumerTimeout: %s is too short: the scaler keeps jobs that wait for a retry for up to 15m; set it to at least 20m, here and in rabbitmq.conf" $broker.consumerTimeout) -}}
{{- end -}}
{{- $catching := list -}}
{{- range $i, $lane := $policy.lanes -}}
{{- if not $lane.match -}}{{- $catching = append $catching $lane.name -}}{{- end -}}
{{- include "siren.rules.lane" (dict "at" (printf "policy.lanes[%d]" $i) "lane" $lane "above" (slice $policy.lanes 0 $i) "policy" $policy "broker" $broker "timeout" $timeout "retry" $defaults.lane.retry) -}}
{{- end -}}
{{- if ne (len $catching) 1 -}}
{{- fail (printf "policy.lanes: exactly one lane may have no match, the default; here %s" ($catching | empty | ternary "each has one" (printf "%s have none" (join ", " $catching)))) -}}
{{- end -}}
{{- range $i, $pool := $policy.pools -}}
{{- include "siren.rules.pool" (dict "at" (printf "policy.pools[%d]" $i) "pool" $pool "slot" $defaults.pool.slot) -}}
{{- end -}}
{{- range $i, $store := $policy.storage -}}
{{- if and $store.write (regexMatch "^[hH]" $store.prefix) -}}{{- fail (printf "policy.storage[%d].write: http and https can only be read" $i) -}}{{- end -}}
{{- if not (or $store.read $store.write) -}}{{- fail (printf "policy.storage[%d]: allows nothing: set read, write or both" $i) -}}{{- end -}}
{{- end -}}
{{- $timing := include "siren.filled" (dict "of" $policy.timing "defaults" $defaults.timing) | fromJson -}}
{{- $ms := dict -}}
{{- range $field := list "heartbeat" "goneAfter" "lease" -}}
{{- $_ := set $ms $field (include "siren.milliseconds" (dict "path" (printf "policy.timing.%s" $field) "value" (get $timing $field)) | int64) -}}
{{- end -}}
{{- if lt $ms.goneAfter (mul 3 $ms.heartbeat) -}}
{{- fail (printf "policy.timing.goneAfter: must be at least 3 heartbeats (of %s), or a late heartbeat counts as a dead worker" $timing.heartbeat) -}}
{{- end -}}
{{- if lt $ms.lease 3000 -}}{{- fail "policy.timing.lease: must be at least 3s: it is renewed every third of it" -}}{{- end -}}
{{- end -}}

{{/* The defaults with what of them is given, as JSON. A zero counts as left out: (dict "of" {…} "defaults" {…}). */}}
{{- define "siren.filled" -}}
{{- $all := deepCopy .defaults -}}
{{- range $field, $value := .of -}}
{{- if regexMatch "[1-9]|^(classic|quorum)$" (toString $value) -}}{{- $_ := set $all $field $value -}}{{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{- define "siren.rules.lane" -}}
{{- $lane := .lane -}}
{{- if not (regexMatch "[1-9]" (toString $lane.startWithin)) -}}
{{- fail (printf "%s.startWithin: within which time should 95 %% of the jobs start? (for example 30s)" .at) -}}
{{- end -}}
{{- $quorum := eq ($lane.queueType | default .broker.queueType) "quorum" -}}
{{- with $lane.maxRuntime -}}
{{- $limit := sub $.timeout 300000 -}}
{{- if and (not $quorum) (gt (include "siren.milliseconds" (dict "path" (printf "%s.maxRuntime" $.at) "value" .) | int64) $limit) -}}
{{- fail (printf "%s.maxRuntime: %s is too close to the broker's consumer timeout of %s: stay 5m below it, raise consumer_timeout in rabbitmq.conf and say so in broker.consumerTimeout, or give the lane queueType: quorum" $.at . $.broker.consumerTimeout) -}}
{{- end -}}
{{- end -}}
{{- if and $lane.priorities $quorum -}}
{{- fail (printf "%s.priorities: needs a classic queue; leave priorities out, or give the lane queueType: classic" .at) -}}
{{- end -}}
{{- if $lane.reserve -}}
{{- range $pool := .policy.pools -}}
{{- if and (has $lane.name $pool.lanes) (not (get ($pool.shoulder | default dict) $lane.name)) -}}
{{- fail (printf "%s.reserve: needs a shoulder, which alone keeps lower lanes out; add `shoulder: {%s: 1}` to pool %q" $.at $lane.name $pool.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $retry := include "siren.filled" (dict "of" $lane.retry "defaults" .retry) | fromJson -}}
{{- if lt (float64 $retry.factor) 1.0 -}}{{- fail (printf "%s.retry.factor: must be at least 1" .at) -}}{{- end -}}
{{- $first := include "siren.milliseconds" (dict "path" (printf "%s.retry.first" .at) "value" $retry.first) | int64 -}}
{{- if lt (include "siren.milliseconds" (dict "path" (printf "%s.retry.max" .at) "value" $retry.max) | int64) $first -}}
{{- fail (printf "%s.retry.max: %s is less than retry.first (%s)" .at $retry.max $retry.first) -}}
{{- end -}}
{{- with $lane.promote -}}
{{- if not (regexMatch "[1-9]" (toString .after)) -}}{{- fail (printf "%s.promote.after: must be above 0" $.at) -}}{{- end -}}
{{- $above := list -}}
{{- range $.above -}}{{- $above = append $above .name -}}{{- end -}}
{{- if not (has .to $above) -}}
{{- fail (printf "%s.promote.to: %q is no lane above %q; name a more urgent one" $.at .to $lane.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "siren.rules.pool" -}}
{{- range $list := list "lanes" "guests" -}}
{{- $before := list -}}
{{- range $i, $lane := get $.pool $list | default list -}}
{{- if has $lane $before -}}{{- fail (printf "%s.%s[%d]: %q is a duplicate" $.at $list $i $lane) -}}{{- end -}}
{{- if and (eq $list "guests") (has $lane $.pool.lanes) -}}{{- fail (printf "%s.guests[%d]: %q is already one of this pool's own lanes" $.at $i $lane) -}}{{- end -}}
{{- $before = append $before $lane -}}
{{- end -}}
{{- end -}}
{{- range $lane, $_ := .pool.shoulder -}}
{{- if not (has $lane $.pool.lanes) -}}{{- fail (printf "%s.shoulder.%s: %q is not one of this pool's own lanes" $.at $lane $lane) -}}{{- end -}}
{{- end -}}
{{- $slot := include "siren.filled" (dict "of" .pool.slot "defaults" .slot) | fromJson -}}
{{- if lt (include "siren.bytes" (dict "path" (printf "%s.slot.memory" .at) "value" $slot.memory) | int64) 67108864 -}}
{{- fail (printf "%s.slot.memory: %s is too little for ffmpeg; give at least 64Mi" .at (include "siren.plain" $slot.memory)) -}}
{{- end -}}
{{- if lt (include "siren.bytes" (dict "path" (printf "%s.slot.scratch" .at) "value" $slot.scratch) | int64) 1048576 -}}
{{- fail (printf "%s.slot.scratch: %s is too little for a media file; give at least 1Mi" .at (include "siren.plain" $slot.scratch)) -}}
{{- end -}}
{{- end -}}
