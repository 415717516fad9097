{{- /*
usher.object makes an object of the chart from its text.
  root  the context of the chart
  key   the key of values whose merge and patch change it
  text  the object as YAML
Both come in this order, as in the charts of nats-io/k8s: merge, then patch (RFC 6902).
*/ -}}
{{- define "usher.object" -}}
{{- $values := get .root.Values .key -}}
{{- $object := mustMergeOverwrite (fromYaml .text) (deepCopy ($values.merge | default dict)) -}}
{{- range $values.patch -}}
{{- $op := . -}}
{{- if has .op (list "copy" "move") -}}
  {{- $from := get (include "usher.tokens" .from | fromJson) "tokens" -}}
  {{- $value := get (include "usher.at" (dict "value" $object "tokens" $from "path" .from) | fromJson) "value" -}}
  {{- if eq .op "move" -}}
    {{- if and (ne .path .from) (hasPrefix (printf "%s/" .from) .path) -}}{{- fail (printf "patch %s: it is inside of what is moved, %s" .path .from) -}}{{- end -}}
    {{- $object = get (include "usher.patch" (dict "value" $object "tokens" $from "op" (dict "op" "remove") "path" .from) | fromJson) "value" -}}
  {{- end -}}
  {{- $op = dict "op" "add" "value" $value -}}
{{- end -}}
{{- $tokens := get (include "usher.tokens" .path | fromJson) "tokens" -}}
{{- $object = get (include "usher.patch" (dict "value" $object "tokens" $tokens "op" $op "path" .path) | fromJson) "value" -}}
{{- end -}}
{{ toYaml $object }}
{{- end -}}

{{- /* usher.tokens returns, as JSON, {"tokens": [T]}: the parts of a path (RFC 6901). */ -}}
{{- define "usher.tokens" -}}
{{- $tokens := list -}}
{{- range (trimPrefix "/" . | splitList "/") -}}
{{- $tokens = append $tokens (. | replace "~1" "/" | replace "~0" "~") -}}
{{- end -}}
{{ toJson (dict "tokens" $tokens) }}
{{- end -}}

{{- /* usher.at returns, as JSON, {"value": V}: what is in a value at tokens. path is for errors. */ -}}
{{- define "usher.at" -}}
{{- $value := .value -}}
{{- $path := .path -}}
{{- range .tokens -}}
  {{- if and (kindIs "map" $value) (hasKey $value .) -}}
    {{- $value = get $value . -}}
  {{- else if and (kindIs "slice" $value) (regexMatch "^[0-9]{1,4}$" .) (lt (int .) (len $value)) -}}
    {{- $value = index $value (int .) -}}
  {{- else -}}
    {{- fail (printf "patch from %s: there is no %q" $path .) -}}
  {{- end -}}
{{- end -}}
{{ toJson (dict "value" $value) }}
{{- end -}}

{{- /*
usher.patch returns, as JSON, {"value": V}: what an operation makes of a value.
  value   a map or a list
  tokens  the rest of the path
  op      the operation: op, value
  path    the path of it, for errors
*/ -}}
{{- define "usher.patch" -}}
{{- $head := first .tokens -}}
{{- $rest := rest .tokens -}}
{{- $value := .value -}}
{{- $fault := printf "patch %s: " .path -}}
{{- if kindIs "map" $value -}}
  {{- if and (not (hasKey $value $head)) (or $rest (ne .op.op "add")) -}}{{- fail (printf "%sthere is no %q" $fault $head) -}}{{- end -}}
  {{- if $rest -}}
    {{- $_ := set $value $head (get (include "usher.patch" (dict "value" (get $value $head) "tokens" $rest "op" .op "path" .path) | fromJson) "value") -}}
  {{- else if eq .op.op "remove" -}}
    {{- $_ := unset $value $head -}}
  {{- else if eq .op.op "test" -}}
    {{- if ne (toJson (get $value $head)) (toJson .op.value) -}}{{- fail (printf "%sit is not the value of the test" $fault) -}}{{- end -}}
  {{- else -}}
    {{- $_ := set $value $head .op.value -}}
  {{- end -}}
{{- else if kindIs "slice" $value -}}
  {{- $end := and (eq $head "-") (eq .op.op "add") (not $rest) -}}
  {{- if not (or $end (regexMatch "^[0-9]{1,4}$" $head)) -}}{{- fail (printf "%s%q is no number of an item" $fault $head) -}}{{- end -}}
  {{- $i := ternary (len $value) (int $head) $end -}}
  {{- $insert := and (eq .op.op "add") (not $rest) -}}
  {{- if or (gt $i (len $value)) (and (eq $i (len $value)) (not $insert)) -}}{{- fail (printf "%sthere is no item %d" $fault $i) -}}{{- end -}}
  {{- $before := slice $value 0 $i -}}
  {{- $after := ternary (slice $value $i) (list) (lt $i (len $value)) -}}
  {{- if $insert -}}
    {{- $value = concat $before (list .op.value) $after -}}
  {{- else if $rest -}}
    {{- $value = concat $before (list (get (include "usher.patch" (dict "value" (index $value $i) "tokens" $rest "op" .op "path" .path) | fromJson) "value")) (rest $after) -}}
  {{- else if eq .op.op "remove" -}}
    {{- $value = concat $before (rest $after) -}}
  {{- else if eq .op.op "test" -}}
    {{- if ne (toJson (index $value $i)) (toJson .op.value) -}}{{- fail (printf "%sit is not the value of the test" $fault) -}}{{- end -}}
  {{- else -}}
    {{- $value = concat $before (list .op.value) (rest $after) -}}
  {{- end -}}
{{- else -}}
  {{- fail (printf "%sthere is no %q" $fault $head) -}}
{{- end -}}
{{ toJson (dict "value" $value) }}
{{- end -}}
