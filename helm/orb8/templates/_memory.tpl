{{- /* What the exporter needs, from its settings. Figures as measured; README.md tells them. All in bytes. */ -}}

{{- /* Resident with 1,000 lines and Kubernetes, and what OTLP's thread takes. */ -}}
{{- define "orb8.processBytes" -}}
{{- add (mul 110 1048576) (ternary (mul 62 1048576) 0 (ne .Values.otlp.endpoint "")) -}}
{{- end -}}

{{- /* Made by `orb8 load` at once: two maps of flows at 384 B an entry, two of health at 544 B for each eighth entry, 5 MiB of others; the ledger with 7 MiB beside what the limit needs, 256 MiB at most. */ -}}
{{- define "orb8.fixedKernelBytes" -}}
{{- $flows := int64 .Values.settings.flowEntries -}}
{{- $health := max 1024 (div (add $flows 7) 8) -}}
{{- $ledger := ternary (min (add (mul 512 (int64 .Values.settings.seriesLimit)) (mul 7 1048576)) (mul 256 1048576)) 0 .Values.pins.enabled -}}
{{- add (mul 384 $flows) (mul 544 $health) (mul 5 1048576) $ledger -}}
{{- end -}}

{{- /* As they come: 544 B of the process for each line, 400 B of the kernel for each socket. */ -}}
{{- define "orb8.growingBytes" -}}
{{- add (mul 544 (int64 .Values.settings.seriesLimit)) (mul 400 (int64 .Values.settings.sockets)) -}}
{{- end -}}

{{- /* In MiB, rounded up to 8. */ -}}
{{- define "orb8.mebibytes" -}}
{{- printf "%dMi" (mul 8 (div (add . 8388607) 8388608)) -}}
{{- end -}}

{{- /* Before anything has grown. */ -}}
{{- define "orb8.memoryRequest" -}}
{{- include "orb8.mebibytes" (add (include "orb8.processBytes" .) (include "orb8.fixedKernelBytes" .)) -}}
{{- end -}}

{{- /* All of it, and a quarter for what a scrape of all lines takes for a moment. */ -}}
{{- define "orb8.memoryLimit" -}}
{{- $all := add (include "orb8.processBytes" .) (include "orb8.fixedKernelBytes" .) (include "orb8.growingBytes" .) -}}
{{- include "orb8.mebibytes" (div (mul 5 $all) 4) -}}
{{- end -}}

{{- define "orb8.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if hasKey ($resources.requests | default dict) "memory" }}{{ if not $resources.requests.memory }}{{ $_ := set $resources.requests "memory" (include "orb8.memoryRequest" .) }}{{ end }}{{ end -}}
{{- if hasKey ($resources.limits | default dict) "memory" }}{{ if not $resources.limits.memory }}{{ $_ := set $resources.limits "memory" (include "orb8.memoryLimit" .) }}{{ end }}{{ end -}}
{{- toYaml $resources -}}
{{- end -}}
