package callout_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"usher/callout/callouttest"
)

// forEachTextField calls visit with every text field of a request, at any depth. set
// sets the field. A field of an unknown type ends the test, because the claims have
// changed and must be reviewed.
func forEachTextField(t *testing.T, name string, v reflect.Value, visit func(name string, set func(text string))) {
	t.Helper()
	switch v.Kind() { //nolint:exhaustive // the default refuses the others
	case reflect.String:
		visit(name, v.SetString)
	case reflect.Slice:
		element := reflect.New(v.Type().Elem()).Elem()
		forEachTextField(t, name+"[]", element, func(name string, set func(string)) {
			visit(name, func(text string) {
				set(text)
				v.Set(reflect.Append(reflect.MakeSlice(v.Type(), 0, 1), element))
			})
		})
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		forEachTextField(t, name, to.Elem(), func(name string, set func(string)) {
			visit(name, func(text string) {
				set(text)
				v.Set(to)
			})
		})
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == reflect.TypeFor[jwt.ClaimsData]() || f.Type == reflect.TypeFor[jwt.GenericFields]() {
				continue // set by the server, not by the client
			}
			forEachTextField(t, strings.TrimPrefix(name+"."+f.Name, "."), v.Field(i), visit)
		}
	case reflect.Int, reflect.Uint64:
	default:
		t.Fatalf("%s is a %s, which this test does not support", name, v.Type())
	}
}

// A key in any field of a request, in any form, appears in no line of log and audit and
// in no metric.
//
// Attack: a client puts a key into its name, its selection or another field, and somebody reads it in the log
// Held by: one filter redacts every text of a request; it knows the presented secrets and the format of keys
func TestNoSecretFromAnyField(t *testing.T) {
	t.Parallel()
	s, i := newImpostor(t, false)
	granted, denied, directory := tokensOfAllKinds(t)
	s.service.SetDirectory(t, directory)
	keys := append(granted, denied...)
	keys = append(keys, "Tr0ub4dor&3 \"quoted\" ärger/9931", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlc2lnbmF0dXJl")

	var names []string
	forEachTextField(t, "", reflect.ValueOf(i.claims()).Elem(), func(name string, _ func(string)) { names = append(names, name) })
	if len(names) < 25 {
		t.Fatalf("only %d fields: %v", len(names), names)
	}
	forms := []func(key string) string{
		func(key string) string { return key },
		func(key string) string { return "project=" + key },
		func(key string) string { return "account=" + key },
		func(key string) string { return "x " + key[:len(key)/2] },                     // truncated
		func(key string) string { return strings.Repeat("p", 240) + "/" + key + "\n" }, // at the length at which texts are truncated
	}
	sent := 0
	for k, key := range keys {
		for n, name := range names {
			for f, form := range forms {
				c := i.claims()
				c.ClientInformation.Host = fmt.Sprintf("10.%d.%d.%d", k, n, f) // stays below the rate of failures
				c.ConnectOptions.Token, c.ConnectOptions.Password = "", key
				c.Type, c.Version = jwt.AuthorizationRequestClaim, 2
				forEachTextField(t, "", reflect.ValueOf(c).Elem(), func(at string, set func(string)) {
					if at == name {
						set(form(key))
					}
				})
				callouttest.Must(t, i.nc.PublishMsg(i.message(encodeUnchecked(t, c, i.key))))
				sent++
			}
		}
		callouttest.Must(t, i.nc.Flush())
	}
	callouttest.Eventually(t, "all requests are in the audit", func() bool { return strings.Count(s.service.AuditText(), "\n") >= sent })
	for name, text := range map[string]string{
		"audit": s.service.AuditText(), "log": s.service.Log.String(), "metrics": metricsText(t, s.service),
	} {
		if text == "" {
			t.Errorf("%s: empty", name)
		}
		for line := range strings.Lines(text) {
			for _, key := range keys {
				if part := leaked(line, key); part != "" {
					t.Fatalf("%s contains %q of %s:\n%s", name, part, key, line)
				}
			}
		}
	}
	if !strings.Contains(s.service.AuditText(), `"outcome":"granted"`) || !strings.Contains(s.service.AuditText(), `"code":"not_member"`) {
		t.Error("no request was granted, or none selected an unknown project")
	}
}
