package app

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
)

// word is the value of a flag that takes one of a few words.
type word struct {
	is *string
	of []string
}

// Set takes the word, unless it isn't one of those.
func (w *word) Set(s string) error {
	if !slices.Contains(w.of, s) {
		return errors.New("say " + say.Listed(w.of))
	}
	*w.is = s
	return nil
}

func (w *word) String() string {
	if w.is == nil {
		return ""
	}
	return *w.is
}

// Type returns what the help calls the flag's value when its usage doesn't say.
func (*word) Type() string { return "word" }

// OneOf adds a flag that takes one of a few words, which it names, and the shell completes. What the variable holds is
// the default.
func OneOf(c *cobra.Command, is *string, name, shorthand, usage string, words ...string) {
	c.Flags().VarP(&word{is, words}, name, shorthand, usage+": "+say.Listed(words))
	CompleteFlag(c, name, Fixed(words...))
}

// once is the value of a flag that is given once: of two the last would win, and the first be lost.
type once struct {
	pflag.Value
	given *string // nil: it isn't yet
}

// Set takes the value, unless there is another one. The same may come again: a shell's completion reads flags twice.
func (o *once) Set(s string) error {
	if o.given != nil && *o.given != s {
		return errors.New("it is given twice")
	}
	o.given = &s
	return o.Value.Set(s)
}

// Once has flags of the command refused that are given twice.
func Once(c *cobra.Command, names ...string) {
	for _, name := range names {
		f := c.Flags().Lookup(name)
		f.Value = &once{Value: f.Value}
	}
}

// FormFlag adds -o with the forms there are. The first is the default.
func FormFlag(c *cobra.Command, o *show.Output, forms ...string) {
	o.Format = forms[0]
	OneOf(c, &o.Format, "output", "o", "`FORM` of the output", forms...)
}

// ListFlags adds -o, --no-headers and --watch.
func ListFlags(c *cobra.Command, l *show.Listing) {
	forms := []string{"table", "wide", "json", "yaml"}
	if l.Kind != "" {
		forms = append(forms, "name")
	}
	FormFlag(c, &l.Output, forms...)
	c.Flags().BoolVar(&l.NoHeaders, "no-headers", false, "leave out the headers of the table")
	c.Flags().BoolVarP(&l.Watching, "watch", "w", false, "show again every second until Ctrl-C")
}

// Fixed completes an argument or a flag with words that are known beforehand.
func Fixed(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// Files completes an argument or a flag with files, of those endings where there are any.
func Files(endings ...string) cobra.CompletionFunc {
	if len(endings) == 0 {
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	}
	return cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
}

// Folders completes an argument or a flag with folders.
var Folders = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)

// CompleteFlag makes the shell complete the values of a flag. It panics without that flag.
func CompleteFlag(c *cobra.Command, name string, with cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(name, with); err != nil {
		panic(err)
	}
}
