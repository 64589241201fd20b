{{- define "orb8.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "orb8.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- else if contains (include "orb8.name" .) .Release.Name -}}
{{- .Release.Name | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "orb8.name" .) | trunc 54 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "orb8.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "orb8.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "orb8.priorityClass" -}}
{{- .Values.priorityClass.name | default (ternary (include "orb8.fullname" .) "" .Values.priorityClass.create) -}}
{{- end -}}

{{- define "orb8.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "orb8.selector" -}}
app.kubernetes.io/name: {{ include "orb8.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Of the exporter's pods; those that unload have another component. */ -}}
{{- define "orb8.podSelector" -}}
{{ include "orb8.selector" . }}
app.kubernetes.io/component: exporter
{{- end -}}

{{- /* Of pods: what changes with every version of the chart would start them anew. */ -}}
{{- define "orb8.podLabels" -}}
app.kubernetes.io/part-of: orb8
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "orb8.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: orb8
{{ include "orb8.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
