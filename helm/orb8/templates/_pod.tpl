{{- /* A container without anything that it does not need; the argument is a list of capabilities. */ -}}
{{- define "orb8.confined" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- with . }}
  add: [{{ join ", " . }}]
{{- end }}
{{- end -}}

{{- define "orb8.podSecurityContext" -}}
seccompProfile:
  type: RuntimeDefault
{{- with .Values.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* uid 0 owns the directory that the kubelet makes; its group may pass the pins on without CAP_CHOWN. */ -}}
{{- define "orb8.loaderSecurityContext" -}}
runAsUser: 0
runAsGroup: {{ int64 .Values.pins.group }}
runAsNonRoot: false
{{ include "orb8.confined" (list "BPF" "PERFMON" "NET_ADMIN") }}
{{- end -}}

{{- define "orb8.exporterSecurityContext" -}}
{{- if include "orb8.isRoot" . -}}
runAsUser: 0
runAsGroup: {{ ternary (int64 .Values.pins.group) 0 .Values.pins.enabled }}
runAsNonRoot: false
{{- else -}}
runAsUser: {{ int64 .Values.runAsUser }}
runAsGroup: {{ int64 .Values.pins.group }}
runAsNonRoot: true
{{- end }}
{{- if .Values.pins.enabled }}
{{- /* In the bounding set only, unless it is uid 0: there the default seccomp profile looks before it lets bpf(2) through. */}}
{{ include "orb8.confined" (list "BPF") }}
{{- else }}
{{ include "orb8.confined" (list "BPF" "PERFMON" "NET_ADMIN") }}
{{- end }}
{{- end -}}

{{- define "orb8.kernelMounts" -}}
- name: cgroup
  mountPath: /run/orb8/cgroup
  readOnly: true
  mountPropagation: HostToContainer
{{- if .Values.pins.enabled }}
- name: bpf
  mountPath: /run/orb8/bpf
  mountPropagation: HostToContainer
{{- end }}
{{- end -}}

{{- define "orb8.bpfVolume" -}}
- name: bpf
  hostPath:
    path: {{ .Values.pins.hostPath }}
    type: DirectoryOrCreate
{{- end -}}

{{- define "orb8.probe" -}}
{{- $root := index . 0 }}{{ $path := index . 1 }}{{ $probe := index . 2 }}
{{- $web := $root.Values.web }}
{{- $kind := $web.probe }}
{{- if eq $kind "auto" }}{{ $kind = ternary "tcp" "http" (and (ne $web.secretName "") (empty $web.probeHeaders)) }}{{ end -}}
{{- if eq $kind "tcp" -}}
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: {{ $path }}
  port: http
  {{- if $web.tls }}
  scheme: HTTPS
  {{- end }}
  {{- with $web.probeHeaders }}
  httpHeaders:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{ toYaml $probe }}
{{- end -}}

{{- define "orb8.nodes" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
