package schema

import (
	"reflect"
	"strings"
	"testing"

	"usher/app/config/rule"
)

func TestValidate(t *testing.T) {
	if err := listTable().Validate(); err == nil || err.Error() != "services[].rules: rule nonempty refuses the default" {
		t.Error(err)
	}
	type broken struct {
		Nameless string          `doc:"Has no name."`
		Terse    string          `yaml:"terse" doc:"no sentence"`
		Type     complex128      `yaml:"type" doc:"No YAML type."`
		Default  int             `yaml:"default" default:"many" doc:"Default of another type."`
		Rule     string          `yaml:"rule" rule:"no-such" doc:"Rule that does not exist."`
		Refused  int             `yaml:"refused" default:"3" rule:"between=4..5" doc:"Default that the rule refuses."`
		Section  struct{ A int } `yaml:"section" doc:"A section with a nameless key."`
	}
	constraints := []Constraint{BothOrNeither("terse", "nothing"), {Keys: []string{"terse"}, Text: "Names no key."}}
	err := New(reflect.TypeFor[broken](), rule.Rules(), constraints, "").Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"[\"\"]" has no name`, `"terse" has no name, or its doc is not a sentence`, "type: type complex128", `default: default "many" is decoded as`,
		"rule: rule no-such has no text", "refused: rule between refuses the default", `"section[\"\"]" has no name`, "nothing: unknown key",
		"terse: unknown key, or the text does not name it: Names no key.",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}
