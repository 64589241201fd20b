{{- /* on and off without quotes are true and false to Helm's YAML. */ -}}
{{- define "orb8.word" -}}
{{- if kindIs "bool" . }}{{ ternary "on" "off" . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- /* Does the exporter ask the API server? */ -}}
{{- define "orb8.asksCluster" -}}
{{- if ne (include "orb8.word" .Values.settings.kubernetes) "off" }}true{{ end -}}
{{- end -}}

{{- /* uid 0: where a setting asks for it, for what only root may read, and where the exporter itself loads. */ -}}
{{- define "orb8.isRoot" -}}
{{- if or .Values.runAsRoot .Values.gpu.podResources.enabled .Values.gpu.nvml.enabled (not .Values.pins.enabled) }}true{{ end -}}
{{- end -}}

{{- define "orb8.dcgmUrl" -}}
{{- with .Values.gpu.dcgm -}}
{{- if .url }}{{ .url }}
{{- else if eq (include "orb8.word" .mode) "node" }}http://$(HOST_IP):{{ .port }}/metrics
{{- else if eq (include "orb8.word" .mode) "sidecar" }}http://localhost:{{ .port }}/metrics
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* name=cidr,… out of a map of names to a cidr or a list of them. */ -}}
{{- define "orb8.cidrs" -}}
{{- $pairs := list -}}
{{- range $name, $cidrs := .Values.settings.cidrs -}}
{{- range (ternary (list $cidrs) $cidrs (kindIs "string" $cidrs)) }}{{ $pairs = append $pairs (printf "%s=%s" $name .) }}{{ end -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{- define "orb8.resourceAttributes" -}}
{{- $pairs := list -}}
{{- with .Values.otlp.clusterName }}{{ $pairs = append $pairs (printf "k8s.cluster.name=%s" (urlquery . | replace "+" "%20")) }}{{ end -}}
{{- range $name, $value := .Values.otlp.resourceAttributes }}{{ $pairs = append $pairs (printf "%s=%s" $name (urlquery $value | replace "+" "%20")) }}{{ end -}}
{{- join "," $pairs -}}
{{- end -}}

{{- define "orb8.fieldEnv" -}}
- name: {{ index . 0 }}
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: {{ index . 1 }}
{{- end -}}

{{- /* A variable, where it has a value. */ -}}
{{- define "orb8.env" -}}
{{- if ne (toString (index . 1)) "" }}
- name: {{ index . 0 }}
  value: {{ toString (index . 1) | quote }}
{{- end }}
{{- end -}}

{{- /* What orb8 load and orb8 export must have in common: another value of one of these begins at 0. */ -}}
{{- define "orb8.commonEnv" -}}
{{- include "orb8.fieldEnv" (list "NODE_NAME" "spec.nodeName") }}
{{ include "orb8.fieldEnv" (list "HOST_IP" "status.hostIP") }}
- name: ORB8_CGROUP_ROOT
  value: /run/orb8/cgroup
{{- with .Values.settings }}
{{- include "orb8.env" (list "ORB8_FLOW_ENTRIES" (int64 .flowEntries)) }}
{{- include "orb8.env" (list "ORB8_SOCKETS" (int64 .sockets)) }}
{{- include "orb8.env" (list "ORB8_SERIES_LIMIT" (int64 .seriesLimit)) }}
{{- include "orb8.env" (list "ORB8_FLOW_LABELS" .flowLabels) }}
{{- include "orb8.env" (list "ORB8_LOG_LEVEL" .logLevel) }}
{{- end }}
{{- include "orb8.env" (list "ORB8_CIDRS" (include "orb8.cidrs" .)) }}
{{- if .Values.pins.enabled }}
- name: ORB8_PIN_PATH
  value: /run/orb8/bpf
{{- end }}
{{- end -}}

{{- define "orb8.exportEnv" -}}
- name: ORB8_LISTEN
  value: {{ printf ":%d" (int64 .Values.port) | quote }}
{{- with .Values.settings }}
{{- include "orb8.env" (list "ORB8_SERIES_IDLE" .seriesIdle) }}
{{- include "orb8.env" (list "ORB8_COLLECT_INTERVAL" .collectInterval) }}
- name: ORB8_KUBERNETES
  value: {{ include "orb8.word" .kubernetes | quote }}
- name: ORB8_PEERS
  value: {{ include "orb8.word" .peers | quote }}
{{- if .peerNodes }}
- name: ORB8_PEER_NODES
  value: "true"
{{- end }}
{{- end }}
{{- if .Values.hostPaths.podLogs }}
- name: ORB8_POD_LOGS_DIR
  value: /var/log/pods
{{- end }}
{{- if .Values.web.secretName }}
- name: ORB8_WEB_CONFIG_FILE
  value: /etc/orb8/web/{{ .Values.web.key }}
{{- end }}
- name: ORB8_NVML
  value: {{ ternary "on" "off" .Values.gpu.nvml.enabled | quote }}
{{- if .Values.gpu.nvml.enabled }}
- name: NVIDIA_VISIBLE_DEVICES
  value: all
- name: NVIDIA_DRIVER_CAPABILITIES
  value: utility
{{- end }}
{{- include "orb8.env" (list "ORB8_DCGM_URL" (include "orb8.dcgmUrl" .)) }}
{{- if .Values.otlp.endpoint }}
{{- include "orb8.otlpEnv" . }}
{{- end }}
{{- end -}}

{{- define "orb8.otlpEnv" -}}
{{- $otlp := .Values.otlp }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $otlp.endpoint | quote }}
{{- with $otlp.headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $otlp.headersSecret.key }}
{{- end }}
{{- include "orb8.env" (list "OTEL_METRIC_EXPORT_INTERVAL" $otlp.intervalMs) }}
{{- include "orb8.env" (list "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE" $otlp.temporality) }}
{{- include "orb8.env" (list "OTEL_EXPORTER_OTLP_COMPRESSION" $otlp.compression) }}
{{- include "orb8.env" (list "OTEL_RESOURCE_ATTRIBUTES" (include "orb8.resourceAttributes" .)) }}
{{- if $otlp.caSecret.name }}
- name: OTEL_EXPORTER_OTLP_CERTIFICATE
  value: /etc/orb8/otlp-ca/{{ $otlp.caSecret.key }}
{{- end }}
{{- if $otlp.clientSecret.name }}
- name: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE
  value: /etc/orb8/otlp-client/tls.crt
- name: OTEL_EXPORTER_OTLP_CLIENT_KEY
  value: /etc/orb8/otlp-client/tls.key
{{- end }}
{{- end -}}
