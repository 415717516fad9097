package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/internal/secret"
	"usher/internal/strictyaml"
	"usher/issuer"
)

// fault is what is wrong with a value.
type fault struct {
	at      string // path of the key; of a rule, what follows it ("[2]", or nothing)
	message string
	hint    string
}

// rule is something that a value must be. The text and the check stand side by
// side, so that the documentation says what is checked.
type rule struct {
	name  string
	text  func(arg string) string
	check func(v reflect.Value, arg string) []fault
}

// use is a rule as a tag names it: "between=1..64".
type use struct{ name, arg string }

func useOf(tag string) use {
	name, arg, _ := strings.Cut(tag, "=")
	return use{name: name, arg: arg}
}

func (u use) find() (rule, bool) {
	for _, r := range rules() {
		if r.name == u.name {
			return r, true
		}
	}
	return rule{}, false
}

func (u use) text() string {
	if r, ok := u.find(); ok {
		return r.text(u.arg)
	}
	return ""
}

func (u use) check(v reflect.Value) []fault {
	if r, ok := u.find(); ok {
		return r.check(v, u.arg)
	}
	return []fault{{message: "usher has no rule " + strconv.Quote(u.name)}} // a test holds that it has
}

// rules is the table of all rules. An empty string is a value that is not set:
// no rule says anything of it. What looks like a secret is refused by every rule
// of a name, a path or an address.
func rules() []rule {
	return []rule{
		{"between", func(arg string) string { return "from " + strings.Replace(arg, "..", " to ", 1) }, between},
		{"fraction", is("from 0 to 1"), func(v reflect.Value, _ string) []fault {
			return when(v.Float() < 0 || v.Float() > 1, fmt.Sprintf("must be from 0 to 1, is %v", v), "")
		}},
		{"positive", is("more than 0"), func(v reflect.Value, _ string) []fault {
			return when(v.Int() <= 0, fmt.Sprintf("must be more than 0, is %v", v), "")
		}},
		{"not-negative", is("0 or more"), func(v reflect.Value, _ string) []fault {
			return when(v.Int() < 0, fmt.Sprintf("must be 0 or more, is %v", v), "")
		}},
		{"at-most", func(arg string) string { return "at most " + arg }, func(v reflect.Value, arg string) []fault {
			return when(v.Int() > span(arg), fmt.Sprintf("must be at most %s, is %v", arg, v), "")
		}},
		{"zero-or-at-least", func(arg string) string { return "0, or at least " + arg }, func(v reflect.Value, arg string) []fault {
			return when(v.Int() != 0 && v.Int() < span(arg), fmt.Sprintf("must be 0, or at least %s, is %v", arg, v), "")
		}},
		{"one-of", func(arg string) string { return "one of `" + strings.ReplaceAll(arg, "|", "`, `") + "`" }, oneOf},
		{"no-limit-or-more", is("-1 (no limit) or more"), func(v reflect.Value, _ string) []fault {
			return when(v.Int() < -1, fmt.Sprintf("must be -1 (no limit) or more, is %d", v.Int()), "")
		}},
		{"account-connections", is("-1 (no limit), or more than 0"), func(v reflect.Value, _ string) []fault {
			return when(v.Int() < -1 || v.Int() == 0, fmt.Sprintf("must be -1 (no limit), or more than 0, is %d", v.Int()), "an account without connections is closed")
		}},
		{"imports", is("what nats-server takes for imports of an account"), imports},
		{"exports", is("what nats-server takes for exports of an account"), exports},
		{"program", is("an absolute path or the bare name of a program, and its arguments"), program},
		{"operator-key", is("the public key of an operator or of its signing key (O…)"), onText(operatorKey)},
		{"account", is("a NATS account: printable ASCII without spaces"), onText(account)},
		{"bucket", is("letters, digits, `-` and `_`, and does not begin with `_`"), bucket},
		{"scopes", is("each one is `ACCOUNT/ROLE`, with a project role or a service role"), scopes},
		{"mqtt-client-ids", is("each one is `ACCOUNT: any` or `ACCOUNT: user`"), mqttClientIDs},
		{"line", is("one line"), onText(name)},
		{"path", is("a path; `~` is not expanded"), onText(path)},
		{"host", is("a host name or IP address"), onText(hostName)},
		{"listen", is("`host:port`; without a host on every address of the machine; port 0 takes a free one"), onText(listen)},
		{"nats-urls", is("at least one URL of host and port with scheme `nats`, `tls`, `ws` or `wss`; " +
			"no user name or password in it; `ws` and `wss` not together with `nats` and `tls`"), natsURLs},
	}
}

func is(text string) func(string) string { return func(string) string { return text } }

func when(broken bool, message, hint string) []fault {
	if !broken {
		return nil
	}
	return []fault{{message: message, hint: hint}}
}

// onText makes a check of strings of one that returns a message, if it finds
// something, and a hint.
func onText(check func(string) (message, hint string)) func(reflect.Value, string) []fault {
	return func(v reflect.Value, _ string) []fault {
		if v.String() == "" {
			return nil
		}
		message, hint := check(v.String())
		return when(message != "", message, hint)
	}
}

func between(v reflect.Value, arg string) []fault {
	low, high, _ := strings.Cut(arg, "..")
	from, errFrom := strconv.ParseInt(low, 10, 64)
	to, errTo := strconv.ParseInt(high, 10, 64)
	broken := errFrom != nil || errTo != nil || v.Int() < from || v.Int() > to
	return when(broken, fmt.Sprintf("must be from %s to %s, is %d", low, high, v.Int()), "")
}

// span reads the duration of a rule; a test holds that it is one.
func span(arg string) int64 {
	d, err := time.ParseDuration(arg)
	if err != nil {
		return 0
	}
	return int64(d)
}

func oneOf(v reflect.Value, arg string) []fault {
	words := strings.Split(arg, "|")
	for _, w := range words {
		if v.String() == w {
			return nil
		}
	}
	message := "expected one of " + strings.Join(words, ", ") + ", found " + secret.Quote(v.String())
	if hint := strictyaml.Suggest(v.String(), "", words); strings.HasPrefix(hint, "did you mean") {
		return when(true, message, hint)
	}
	return when(true, message, "")
}

func account(text string) (message, hint string) {
	if err := directory.CheckAccount(text); err != nil {
		if errors.Is(err, directory.ErrSecret) {
			return err.Error(), secret.Hint
		}
		return "account " + err.Error(), ""
	}
	return "", ""
}

// bucket checks the name of a bucket, which cannot be unset.
func bucket(v reflect.Value, _ string) []fault {
	switch err := directory.CheckName(v.String()); {
	case err == nil:
		return nil
	case v.String() == "":
		return when(true, "must not be empty", "leave the key out for its default")
	case errors.Is(err, directory.ErrSecret):
		return when(true, err.Error(), secret.Hint)
	default:
		return when(true, "bucket "+err.Error(), "")
	}
}

// scopes checks a list of ACCOUNT/ROLE.
func scopes(v reflect.Value, _ string) []fault {
	var faults []fault
	seen := map[string]bool{}
	for i := range v.Len() {
		text, at := v.Index(i).String(), fmt.Sprintf("[%d]", i)
		name, role, ok := strings.Cut(text, "/")
		switch message, hint := account(name); {
		case !ok || name == "":
			faults = append(faults, fault{at, secret.Quote(text) + " is not ACCOUNT/ROLE", "such as APP/publisher"})
		case message != "":
			faults = append(faults, fault{at, message, hint})
		case !isRole(role):
			faults = append(faults, fault{at, secret.Quote(role) + " is no role", "a project role (publisher, …) or a service role (ingest, …)"})
		case seen[text]:
			faults = append(faults, fault{at, "is there twice", ""})
		}
		seen[text] = true
	}
	return faults
}

// mqttClientIDs checks a map from accounts to what their client ids may be.
func mqttClientIDs(v reflect.Value, _ string) []fault {
	var faults []fault
	for _, key := range v.MapKeys() {
		name := key.String()
		if message, hint := account(name); message != "" || name == "" {
			if name == "" {
				message = "an account must not be empty"
			}
			faults = append(faults, fault{"", message, hint})
			continue
		}
		for _, f := range oneOf(v.MapIndex(key), MQTTClientIDsUser+"|"+MQTTClientIDsAny) {
			faults = append(faults, fault{strings.TrimPrefix(strictyaml.KeyPath("ids", name), "ids"), f.message, f.hint})
		}
	}
	return faults
}

func isRole(role string) bool {
	return slices.Contains(directory.Roles(), directory.Role(role)) ||
		slices.Contains(directory.ServiceRoles(), directory.ServiceRole(role))
}

// program checks a program with its arguments; none is one that is not set.
func program(v reflect.Value, _ string) []fault {
	if v.Len() == 0 {
		return nil
	}
	argv := make([]string, v.Len())
	for i := range argv {
		argv[i] = v.Index(i).String()
		if secret.Detect(argv[i]) {
			return []fault{{fmt.Sprintf("[%d]", i), "looks like a secret, found where an argument belongs", secret.Hint}}
		}
	}
	if err := issuer.CheckProgram(argv); err != nil {
		return when(true, err.Error(), "give the whole path of the program, or its bare name if it lies in PATH")
	}
	return nil
}

func operatorKey(text string) (message, hint string) {
	if nkeys.IsValidPublicOperatorKey(text) {
		return "", ""
	}
	if message, hint = misplaced(text, "a public key"); message != "" {
		return message, hint
	}
	return secret.Quote(text) + " is not the public key of an operator (O…)", ""
}
