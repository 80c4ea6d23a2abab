// Reads a request of OTLP in JSON with the decoder of OpenTelemetry's collector, and prints each span's
// trace, parent, name, kind and length in nanoseconds.
package main

import (
	"fmt"
	"io"
	"os"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

func main() {
	body, err := io.ReadAll(os.Stdin)
	request := ptraceotlp.NewExportRequest()
	if err == nil {
		err = request.UnmarshalJSON(body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	resources := request.Traces().ResourceSpans()
	for i := 0; i < resources.Len(); i++ {
		scopes := resources.At(i).ScopeSpans()
		for j := 0; j < scopes.Len(); j++ {
			spans := scopes.At(j).Spans()
			for k := 0; k < spans.Len(); k++ {
				span := spans.At(k)
				length := span.EndTimestamp() - span.StartTimestamp()
				fmt.Printf("%s\t%s\t%s\t%s\t%d\n", span.TraceID(), span.ParentSpanID(), span.Name(), span.Kind(), length)
			}
		}
	}
}
