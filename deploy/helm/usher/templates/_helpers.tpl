{{- define "usher.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Arguments: root, component. A label app.kubernetes.io/component tells usher serve from usher push. */ -}}
{{- define "usher.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "usher.labels" -}}
{{ include "usher.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The name of an object: root, key of values, and what follows the name of the release. */ -}}
{{- define "usher.name" -}}
{{- get (get .root.Values .key) "name" | default (printf "%s%s" (include "usher.fullname" .root) (.suffix | default "")) -}}
{{- end -}}

{{- /* Arguments: an image of values, the tag that it has by default, and the key for errors. */ -}}
{{- define "usher.image" -}}
{{- $repository := required (printf "%s.repository: set the image" .key) .image.repository -}}
{{- if .image.registry }}{{ $repository = printf "%s/%s" .image.registry $repository }}{{ end -}}
{{- if .image.digest -}}
{{ printf "%s@%s" $repository .image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.image.tag | default .tag) }}
{{- end -}}
{{- end -}}

{{- /* usher.yaml: the values of config, and where the chart mounts the keyring. */ -}}
{{- define "usher.config" -}}
{{- $own := dict "keyring" (dict "dir" "/etc/usher/keyring" "allow_group_readable" true) -}}
{{ toYaml (mustMergeOverwrite $own (deepCopy .Values.config)) }}
{{- end -}}

{{- /* The port of an address "host:port". */ -}}
{{- define "usher.port" -}}
{{- regexFind "[0-9]+$" . | required (printf "config: %q has no port" .) -}}
{{- end -}}

{{- define "usher.httpPort" -}}
{{- include "usher.port" (.Values.config.http | default dict).listen -}}
{{- end -}}

{{- /* Empty if there is no management API that other pods can reach. */ -}}
{{- define "usher.apiPort" -}}
{{- with (.Values.config.api | default dict).listen -}}
{{- if not (regexMatch "^(127[.]|localhost:|\\[::1\\])" .) -}}{{- include "usher.port" . -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* "true" if usher asks the API server for keys or about tokens, as a service account. */ -}}
{{- define "usher.needsToken" -}}
{{- ternary "true" "false" (or .Values.kubernetes.tokenReview (not (empty (.Values.config.credentials | default dict).kubernetes))) -}}
{{- end -}}

{{- define "usher.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "usher.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* What each container of usher mounts. */ -}}
{{- define "usher.mounts" -}}
- {name: config, mountPath: /etc/usher/usher.yaml, subPath: usher.yaml, readOnly: true}
- {name: keyring, mountPath: /etc/usher/keyring, readOnly: true}
{{- range $name, $secret := .Values.secrets }}
- {name: secret-{{ $name }}, mountPath: /etc/usher/secrets/{{ $name }}, readOnly: true}
{{- end }}
{{- end -}}

{{- /* Modes are 0440: usher reads them by its group, fsGroup. */ -}}
{{- define "usher.volumes" -}}
- name: config
  configMap: {name: {{ include "usher.name" (dict "root" . "key" "configMap" "suffix" "-config") }}}
- name: keyring
  secret: {secretName: {{ .Values.keyring.secret | quote }}, defaultMode: 0440}
{{- range $name, $secret := .Values.secrets }}
- name: secret-{{ $name }}
  secret: {secretName: {{ $secret | quote }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- /* A pod that runs usher. Arguments: root, component, command, values (of deployment or push). */ -}}
{{- define "usher.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "usher.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ include "usher.config" $root | sha256sum }}
spec:
  serviceAccountName: {{ include "usher.name" (dict "root" $root "key" "serviceAccount") }}
  automountServiceAccountToken: {{ include "usher.needsToken" $root }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "usher.podSecurity" $root | nindent 4 }}
  terminationGracePeriodSeconds: 40
  containers:
    - name: usher
      image: {{ include "usher.image" (dict "image" $root.Values.image "tag" $root.Chart.AppVersion "key" "image") }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .command }}, -c, /etc/usher/usher.yaml]
      ports:
        - {name: http, containerPort: {{ include "usher.httpPort" $root }}}
        {{- if and (eq .component "serve") (include "usher.apiPort" $root) }}
        - {name: api, containerPort: {{ include "usher.apiPort" $root }}}
        {{- end }}
      # usher is alive while it waits for NATS, and ready once it can answer.
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        {{- include "usher.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        {{- include "usher.mounts" $root | nindent 8 }}
  {{- if .values.spread }}
  topologySpreadConstraints:
    {{- range .values.spread }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "usher.selectorLabels" (dict "root" $root "component" $.component) | nindent 10 }}
    {{- end }}
  {{- end }}
  volumes:
    {{- include "usher.volumes" $root | nindent 4 }}
{{- end -}}

{{- /* A deployment. Arguments: root, component, command, key. */ -}}
{{- define "usher.deployment" -}}
{{- $values := get .root.Values .key -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "usher.name" (dict "root" .root "key" .key "suffix" (ternary "" "-push" (eq .component "serve"))) }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "usher.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels:
      {{- include "usher.selectorLabels" . | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  template:
    {{- include "usher.pod" (merge (dict "values" $values) .) | nindent 4 }}
{{- end -}}
