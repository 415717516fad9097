package callout_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"usher/callout/callouttest"
)

// forEachTextField calls one with every text field of a request, however deep; set gives it
// a text. A field of a type that it does not know ends the test: a new version of
// the claims has to be looked at.
func forEachTextField(t *testing.T, name string, v reflect.Value, one func(name string, set func(text string))) {
	t.Helper()
	switch v.Kind() { //nolint:exhaustive // the default refuses the others
	case reflect.String:
		one(name, v.SetString)
	case reflect.Slice:
		element := reflect.New(v.Type().Elem()).Elem()
		forEachTextField(t, name+"[]", element, func(name string, set func(string)) {
			one(name, func(text string) {
				set(text)
				v.Set(reflect.Append(reflect.MakeSlice(v.Type(), 0, 1), element))
			})
		})
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		forEachTextField(t, name, to.Elem(), func(name string, set func(string)) {
			one(name, func(text string) {
				set(text)
				v.Set(to)
			})
		})
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == reflect.TypeFor[jwt.ClaimsData]() || f.Type == reflect.TypeFor[jwt.GenericFields]() {
				continue // who signed it, for whom and until when: the server's own
			}
			forEachTextField(t, strings.TrimPrefix(name+"."+f.Name, "."), v.Field(i), one)
		}
	case reflect.Int, reflect.Uint64:
	default:
		t.Fatalf("%s is a %s, which this test cannot fill", name, v.Type())
	}
}

// Whatever field of a request a key stands in, and however it is put there, it is
// in no line of log and audit, in no metric and in no answer.
//
// Attack: a client puts a key into its name, its selection or any other field, and whoever reads the log has it
// Held by: every text of a request goes through one filter, which knows what was presented and what keys look like
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
		func(key string) string { return "x " + key[:len(key)/2] },                     // cut off
		func(key string) string { return strings.Repeat("p", 240) + "/" + key + "\n" }, // where the text is cut
	}
	sent := 0
	for k, key := range keys {
		for n, name := range names {
			for f, form := range forms {
				c := i.claims()
				c.ClientInformation.Host = fmt.Sprintf("10.%d.%d.%d", k, n, f) // so that no limit of failures is reached
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
					t.Fatalf("%s: holds %q of %s:\n%s", name, part, key, line)
				}
			}
		}
	}
	if !strings.Contains(s.service.AuditText(), `"outcome":"granted"`) || !strings.Contains(s.service.AuditText(), `"code":"not_member"`) {
		t.Error("nobody was let in, or none asked for a project in vain")
	}
}
