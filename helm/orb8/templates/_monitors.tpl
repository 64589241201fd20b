{{- /* The one endpoint of both monitors; the argument is a list of the root and the monitor's values. */ -}}
{{- define "orb8.endpoint" -}}
{{- $root := index . 0 }}{{ $monitor := index . 1 -}}
- port: http
  path: /metrics
  scheme: {{ ternary "https" "http" $root.Values.web.tls }}
  honorLabels: true
  {{- with $monitor.interval }}
  interval: {{ . }}
  {{- end }}
  {{- with $monitor.scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  relabelings:
    - sourceLabels: [__meta_kubernetes_pod_node_name]
      targetLabel: node
      action: replace
    {{- if $monitor.attachNodeMetadata }}
    - sourceLabels: [__meta_kubernetes_node_label_topology_kubernetes_io_zone]
      targetLabel: zone
      action: replace
    {{- end }}
    {{- with $monitor.relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $monitor.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $monitor.endpoint }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "orb8.monitorMetadata" -}}
{{- $root := index . 0 }}{{ $monitor := index . 1 -}}
name: {{ include "orb8.fullname" $root }}
namespace: {{ $monitor.namespace | default $root.Release.Namespace }}
labels:
  {{- include "orb8.labels" $root | nindent 2 }}
  {{- with $monitor.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
