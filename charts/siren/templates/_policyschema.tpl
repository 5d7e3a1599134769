{{/* Fails at the first value that the policy's schema doesn't allow, in the words of `siren policy check`, from whichever value the policy comes:
     (dict "at" "policy" "value" {…} "schema" {…} "definitions" {…}). It knows as much of JSON Schema as docs/gen writes. What is null counts as left out. */}}
{{- define "siren.schema" -}}
{{- $s := .schema -}}
{{- with get $s "$ref" -}}{{- $s = get $.definitions (trimPrefix "#/definitions/" .) -}}{{- end -}}
{{- if not (kindIs "invalid" .value) -}}
{{- include "siren.schema.type" (dict "at" .at "value" .value "schema" $s) -}}
{{- if kindIs "map" .value -}}{{- include "siren.schema.object" (merge (dict "schema" $s) .) -}}
{{- else if kindIs "slice" .value -}}{{- include "siren.schema.array" (merge (dict "schema" $s) .) -}}
{{- else if kindIs "string" .value -}}{{- include "siren.schema.string" (dict "at" .at "value" .value "schema" $s) -}}
{{- else if kindIs "float64" .value -}}
{{- include "siren.schema.number" (dict "at" .at "value" .value "schema" $s) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "siren.schema.type" -}}
{{- $type := get (dict "map" "object" "slice" "array" "string" "string" "bool" "boolean" "float64" "number") (kindOf .value) -}}
{{- $types := kindIs "slice" .schema.type | ternary .schema.type (list .schema.type) -}}
{{- if and (eq $type "number") (has "integer" $types) (eq (floor .value) .value) -}}{{- $type = "integer" -}}{{- end -}}
{{- if not (has $type $types) -}}
{{- $words := dict "object" "a map of fields" "array" "a list" "string" "a string" "boolean" "true or false" "integer" "a whole number" "number" "a number" -}}
{{- $is := or (kindIs "map" .value) (kindIs "slice" .value) | ternary (get $words $type) (toJson .value) -}}
{{- fail (printf "%s: must be %s, not %s" .at (get $words (first $types)) $is) -}}
{{- end -}}
{{- end -}}

{{- define "siren.schema.number" -}}
{{- $low := and (hasKey .schema "minimum") (lt .value (get .schema "minimum")) -}}
{{- $high := and (hasKey .schema "maximum") (gt .value (get .schema "maximum")) -}}
{{- if or $low $high -}}
{{- with .schema.patternErrorMessage -}}{{- fail (printf "%s: %q %s" $.at (include "siren.plain" $.value) .) -}}{{- end -}}
{{- $bound := $low | ternary (printf "least %v" .schema.minimum) (printf "most %v" .schema.maximum) -}}
{{- fail (printf "%s: must be at %s, not %s" .at $bound (include "siren.plain" .value)) -}}
{{- end -}}
{{- end -}}

{{- define "siren.schema.object" -}}
{{- $of := .schema.properties | default dict -}}
{{- $more := .schema.additionalProperties -}}
{{- range $name := .schema.required -}}
{{- if or (not (hasKey $.value $name)) (kindIs "invalid" (get $.value $name)) -}}{{- fail (printf "%s.%s: is required" $.at $name) -}}{{- end -}}
{{- end -}}
{{- if and .schema.maxProperties (gt (len .value) (int .schema.maxProperties)) -}}
{{- fail (printf "%s: is for one lane alone, but names %s" .at (keys .value | sortAlpha | join ", ")) -}}
{{- end -}}
{{- range $name, $value := .value -}}
{{- $at := printf "%s.%s" $.at $name -}}
{{- with $.schema.propertyNames -}}{{- include "siren.schema.string" (dict "at" $at "value" $name "schema" .) -}}{{- end -}}
{{- if hasKey $of $name -}}
{{- include "siren.schema" (dict "at" $at "value" $value "schema" (get $of $name) "definitions" $.definitions) -}}
{{- else if $more -}}
{{- include "siren.schema" (dict "at" $at "value" $value "schema" $more "definitions" $.definitions) -}}
{{- else if $of -}}
{{- fail (printf "%s: no such field; there are %s" $at (keys $of | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "siren.schema.array" -}}
{{- if and .schema.minItems (not .value) -}}{{- fail (printf "%s: name at least one" .at) -}}{{- end -}}
{{- range $i, $value := .value -}}
{{- if kindIs "invalid" $value -}}{{- $value = ternary (dict) "" (hasKey $.schema.items "$ref") -}}{{- end -}}
{{- include "siren.schema" (dict "at" (printf "%s[%d]" $.at $i) "value" $value "schema" $.schema.items "definitions" $.definitions) -}}
{{- end -}}
{{- end -}}

{{- define "siren.schema.string" -}}
{{- with .schema.pattern -}}
{{- if not (regexMatch . $.value) -}}{{- fail (printf "%s: %q %s" $.at $.value $.schema.patternErrorMessage) -}}{{- end -}}
{{- end -}}
{{- with .schema.enum -}}
{{- if not (has $.value .) -}}{{- fail (printf "%s: must be one of %s, not %q" $.at (compact . | join ", ") $.value) -}}{{- end -}}
{{- end -}}
{{- range $rule := .schema.allOf -}}
{{- if $rule.pattern -}}
{{- if not (regexMatch $rule.pattern $.value) -}}{{- fail (printf "%s: %s" $.at $rule.patternErrorMessage) -}}{{- end -}}
{{- else if regexMatch (get $rule "not").pattern $.value -}}{{- fail (printf "%s: %s" $.at $rule.errorMessage) -}}
{{- end -}}
{{- end -}}
{{- end -}}
