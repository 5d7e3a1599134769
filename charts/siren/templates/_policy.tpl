{{/* What the chart has to know of the policy: pools with their slots, and the lanes' objectives. */}}

{{/* The policy as JSON, from whichever value it comes, once it fits its schema. */}}
{{- define "siren.policy" -}}
{{- $policy := .Values.policy -}}
{{- $path := "policy" -}}
{{- $text := .Values.policyFile -}}
{{- if $text -}}{{- $path = "policyFile" -}}{{- end -}}
{{- with .Values.policyExistingConfigMap -}}
{{- with lookup "v1" "ConfigMap" (include "siren.namespace" $) . -}}
{{- $path = printf "ConfigMap %s" .metadata.name -}}
{{- $text = get (.data | default dict) "siren.yaml" | required (printf "%s has no entry siren.yaml" $path) -}}
{{- end -}}
{{- end -}}
{{- if $text -}}
{{- $policy = fromYaml $text -}}
{{- if and (hasKey $policy "Error") (eq (len $policy) 1) -}}
{{- fail (printf "%s is not YAML: %s" $path $policy.Error) -}}
{{- end -}}
{{- end -}}
{{- $definitions := .Files.Get "files/policy-schema.json" | fromJson -}}
{{- include "siren.schema" (dict "at" "policy" "value" $policy "schema" $definitions.Policy "definitions" $definitions) -}}
{{- toJson $policy -}}
{{- end -}}

{{/* The ConfigMap that has the policy. */}}
{{- define "siren.policyConfigMap" -}}
{{- .Values.policyExistingConfigMap | default (printf "%s-policy" (include "siren.fullname" .)) -}}
{{- end -}}

{{/* What a policy leaves out: written from lanes.Default, so that there is one source of it. */}}
{{- define "siren.policyDefaults" -}}
{{- .Files.Get "files/policy-defaults.json" -}}
{{- end -}}

{{/* The lanes as JSON: {"lanes": [{name, startWithin, maxRuntime (milliseconds), maxRuntimeText, home}]}. */}}
{{- define "siren.lanes" -}}
{{- $policy := include "siren.policy" . | fromJson -}}
{{- $defaults := include "siren.policyDefaults" . | fromJson -}}
{{- $homes := dict -}}
{{- range $pool := $policy.pools -}}
{{- range $lane := $pool.lanes -}}
{{- if hasKey $homes $lane -}}
{{- fail (printf "policy: lane %q has the homes %q and %q; exactly one pool may name it in lanes" $lane (get $homes $lane) $pool.name) -}}
{{- end -}}
{{- $_ := set $homes $lane $pool.name -}}
{{- end -}}
{{- end -}}
{{- $lanes := list -}}
{{- $names := list -}}
{{- range $i, $lane := $policy.lanes -}}
{{- if has $lane.name $names -}}
{{- fail (printf "policy.lanes[%d].name: %q is a duplicate" $i $lane.name) -}}
{{- end -}}
{{- if not (hasKey $homes $lane.name) -}}
{{- fail (printf "policy.lanes[%d]: lane %q has no home: name it in the lanes of exactly one pool (a list in your values replaces the chart's as a whole)" $i $lane.name) -}}
{{- end -}}
{{- $names = append $names $lane.name -}}
{{- $at := printf "policy.lanes[%d]" $i -}}
{{- $max := $lane.maxRuntime | default $defaults.lane.maxRuntime -}}
{{- $lanes = append $lanes (dict "name" $lane.name "home" (get $homes $lane.name) "maxRuntimeText" $max
      "startWithin" (include "siren.milliseconds" (dict "path" (printf "%s.startWithin" $at) "value" ($lane.startWithin | default "")))
      "maxRuntime" (include "siren.milliseconds" (dict "path" (printf "%s.maxRuntime" $at) "value" $max))) -}}
{{- end -}}
{{- range $pool := $policy.pools -}}
{{- range $lane := concat ($pool.lanes | default list) ($pool.guests | default list) (keys ($pool.shoulder | default dict)) -}}
{{- if not (has $lane $names) -}}
{{- fail (printf "policy: pool %q names the lane %q, which isn't one of %s (a list in your values replaces the chart's as a whole)" $pool.name $lane (join ", " $names)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "lanes" $lanes | toJson -}}
{{- end -}}

{{/* The pools as JSON: {"pools": [{name, lanes, guests, max, slots, shoulder (LANE=N or ""), shoulderSlots, memory, scratch (sizes), memoryBytes, scratchBytes,
     millicores, values, account, marked}]}. values is `workers` with what `workers.pools.<name>` says instead; account is the ServiceAccount that it says; marked is
     whether its workers mark their pods. */}}
{{- define "siren.pools" -}}
{{- $policy := include "siren.policy" . | fromJson -}}
{{- $defaults := (include "siren.policyDefaults" . | fromJson).pool -}}
{{- $workers := .Values.workers -}}
{{- $pools := list -}}
{{- $names := list -}}
{{- $floor := int64 0 -}}
{{- range $i, $pool := $policy.pools -}}
{{- $at := printf "policy.pools[%d]" $i -}}
{{- if has $pool.name $names -}}
{{- fail (printf "%s.name: %q is a duplicate" $at $pool.name) -}}
{{- end -}}
{{- $names = append $names $pool.name -}}

{{- $slots := include "siren.count" (dict "path" (printf "%s.slots" $at) "value" ($pool.slots | default $defaults.slots) "least" 1) -}}
{{- $min := include "siren.count" (dict "path" (printf "%s.min" $at) "value" ($pool.min | default 0) "least" 0) -}}
{{- $max := include "siren.count" (dict "path" (printf "%s.max" $at) "value" $pool.max "least" 1) -}}
{{- if gt (int64 $min) (int64 $max) -}}
{{- fail (printf "%s.max: %s is less than min (%s)" $at $max $min) -}}
{{- end -}}
{{- $floor = add $floor (int64 $min) -}}

{{- $shoulder := "" -}}
{{- $shoulderSlots := "0" -}}
{{- range $lane, $n := $pool.shoulder | default dict -}}
{{- $shoulderSlots = include "siren.count" (dict "path" (printf "%s.shoulder.%s" $at $lane) "value" $n "least" 1) -}}
{{- $shoulder = printf "%s=%s" $lane $shoulderSlots -}}
{{- end -}}

{{- $slot := $pool.slot | default dict -}}
{{- $memory := include "siren.bytes" (dict "path" (printf "%s.slot.memory" $at) "value" ($slot.memory | default $defaults.slot.memory)) -}}
{{- $scratch := include "siren.bytes" (dict "path" (printf "%s.slot.scratch" $at) "value" ($slot.scratch | default $defaults.slot.scratch)) -}}
{{- $cores := toString ($slot.cores | default $defaults.slot.cores) -}}

{{- $over := get $workers.pools $pool.name | default dict -}}
{{- $values := include "siren.overlay" (dict "base" (omit $workers "pools") "over" $over) | fromJson -}}
{{- $pools = append $pools (dict "name" $pool.name "lanes" ($pool.lanes | default list) "guests" ($pool.guests | default list) "max" $max "values" $values "account" $over.serviceAccount
      "marked" (and $values.marks.enabled (semverCompare ">=1.30-0" $.Capabilities.KubeVersion.Version))
      "slots" $slots "shoulder" $shoulder "shoulderSlots" $shoulderSlots
      "memoryBytes" $memory "memory" (include "siren.size" $memory) "scratchBytes" $scratch "scratch" (include "siren.size" $scratch)
      "millicores" (mulf (float64 $cores) (float64 $slots) 1000 | ceil | int64 | toString)) -}}
{{- end -}}
{{- range $name, $_ := $workers.pools -}}
{{- if not (has $name $names) -}}
{{- fail (printf "workers.pools.%s: the policy has no pool %q; it has %s" $name $name (join ", " $names)) -}}
{{- end -}}
{{- end -}}
{{- $budget := include "siren.count" (dict "path" "policy.budget" "value" $policy.budget "least" 1) -}}
{{- if gt $floor (int64 $budget) -}}
{{- fail (printf "policy.budget: %s is less than the pools' min together (%d)" $budget $floor) -}}
{{- end -}}
{{- dict "pools" $pools | toJson -}}
{{- end -}}

{{/* Maps of two layers as JSON: (dict "base" {…} "over" {…}). What over says wins, also where it says false, 0 or nothing: mergeOverwrite would
     pass that over. */}}
{{- define "siren.overlay" -}}
{{- $all := deepCopy .base -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $all $key)) -}}
{{- $value = include "siren.overlay" (dict "base" (get $all $key) "over" $value) | fromJson -}}
{{- end -}}
{{- $_ := set $all $key $value -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* Seconds from SIGTERM to SIGKILL of a pool's workers: (dict "path" "workers" "values" $pool.values). */}}
{{- define "siren.gracePeriod" -}}
{{- $drain := include "siren.milliseconds" (dict "path" (printf "%s.drainTimeout" .path) "value" .values.drainTimeout) | int64 -}}
{{- $grace := .values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $grace -}}
{{- add (ceil (divf $drain 1000) | int64) 15 -}}
{{- else -}}
{{- if le (mul (int64 $grace) 1000) $drain -}}
{{- fail (printf "%s.terminationGracePeriodSeconds (%d) must be above drainTimeout (%s): else the kubelet kills jobs that may still finish, and their workers with them. Leave it out for drainTimeout + 15 s" .path (int64 $grace) .values.drainTimeout) -}}
{{- end -}}
{{- int64 $grace -}}
{{- end -}}
{{- end -}}
