package walk

// alternately calls the functions one after the other, on every second run in the opposite order, so that none of them
// profits from its place.
func alternately(run int, measure ...func() error) error {
	for i := range measure {
		if run%2 == 1 {
			i = len(measure) - 1 - i
		}
		if err := measure[i](); err != nil {
			return err
		}
	}
	return nil
}
