{{- define "alpha.selector" -}}
app.kubernetes.io/name: alpha
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "alpha.labels" -}}
{{ include "alpha.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
