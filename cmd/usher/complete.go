package main

import (
	"slices"
	"strings"

	"usher/cmd/usher/remote"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
	"usher/directory"
)

// completeFiles tells the shell to complete file names.
const completeFiles = ":files"

// complete returns the completions of the last word. It ignores mistakes in the words
// before it.
func complete(page *cli.Command, words []string) []cmdutil.Completion {
	if len(words) == 0 {
		return nil
	}
	p := position{command: page, given: map[string]bool{}}
	if words[0] == "help" && len(words) > 1 {
		p.helpPage, words = true, words[1:]
	}
	last := words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		p.advance(word)
	}
	if last == "=" && p.value != nil {
		last = ""
	}
	return slices.DeleteFunc(p.completions(last), func(o cmdutil.Completion) bool {
		return o.Word != completeFiles && !strings.HasPrefix(o.Word, last)
	})
}

// position is the parse state before a word of a command line.
type position struct {
	command  *cli.Command
	value    cli.Flag // option whose value is the next word
	given    map[string]bool
	args     int  // number of arguments so far
	helpPage bool // after "help": only commands follow
	unknown  bool // after an unknown command
}

// advance moves the position past a word.
func (p *position) advance(word string) {
	switch {
	case p.value != nil:
		if word != "=" { // bash splits --option=value into three words
			p.value = nil
		}
	case p.args == 0 && len(word) > 1 && word[0] == '-':
		name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
		f := findFlag(p.command, name)
		if f == nil {
			return
		}
		p.given[f.Names()[0]] = true
		if takesValue(f) && !hasValue {
			p.value = f
		}
	case len(p.command.Subcommands) > 0:
		next := cmdutil.FindCommand(p.command.Subcommands, word)
		if next == nil {
			p.unknown = true
			return
		}
		p.command, p.given = next, map[string]bool{}
	default:
		p.args++
	}
}

// completions returns all words that can come next, regardless of the prefix.
func (p *position) completions(word string) []cmdutil.Completion {
	switch {
	case p.unknown:
		return nil
	case p.value != nil:
		return completeValue(valueName(p.value))
	case p.helpPage, len(p.command.Subcommands) > 0 && !strings.HasPrefix(word, "-"):
		return cmdutil.CommandCompletions(p.command.Subcommands)
	case p.args == 0 && strings.HasPrefix(word, "-"):
		return p.options(word)
	}
	names := cmdutil.ArgumentNames(p.command)
	if p.args < len(names) {
		return completeValue(names[p.args])
	}
	if p.args == 0 {
		return p.options(word)
	}
	return nil
}

// options returns the options that can still be given, by their long names.
func (p *position) options(word string) []cmdutil.Completion {
	if strings.Contains(word, "=") {
		return []cmdutil.Completion{{Word: completeFiles}}
	}
	var completions []cmdutil.Completion
	for _, f := range p.command.Flags {
		_, repeatable := f.(*cli.StringSliceFlag)
		if p.given[f.Names()[0]] && !repeatable {
			continue
		}
		_, text := cmdutil.FlagHelp(f)
		completions = append(completions, cmdutil.Completion{Word: "--" + f.Names()[0], Description: text})
	}
	return append(completions, cmdutil.Completion{Word: "--help", Description: "show the help"})
}

// findFlag returns the option with a name, or nil.
func findFlag(c *cli.Command, name string) cli.Flag {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// valueName returns the name of an option's value in its help.
func valueName(f cli.Flag) string {
	name, _ := cmdutil.FlagHelp(f)
	return name[strings.LastIndexByte(name, ' ')+1:]
}

// completeValue returns the possible values of an option or argument with this name in the
// help, as far as they are known without a server.
func completeValue(name string) []cmdutil.Completion {
	switch {
	case name == "FILE" || name == "DIR":
		return []cmdutil.Completion{{Word: completeFiles}}
	case name == "CONTEXT":
		f, err := remote.UserContextStore()
		if err != nil {
			return nil
		}
		names, _ := f.Names()
		return wordCompletions(names)
	case name == "ROLE":
		return wordCompletions(directory.Roles())
	case name == "SERVICE_ROLE":
		return wordCompletions(directory.ServiceRoles())
	case strings.Contains(name, "|"):
		return wordCompletions(strings.Split(name, "|"))
	default:
		return nil
	}
}

func wordCompletions[S ~string](words []S) []cmdutil.Completion {
	var completions []cmdutil.Completion
	for _, w := range words {
		completions = append(completions, cmdutil.Completion{Word: string(w)})
	}
	return completions
}
