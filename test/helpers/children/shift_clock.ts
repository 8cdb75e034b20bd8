// Preloaded with `--import`: shifts the clock of the process by CLOCK_SHIFT milliseconds.
const shift = Number(process.env.CLOCK_SHIFT);
if (!Number.isFinite(shift)) throw new Error('CLOCK_SHIFT is no number');

globalThis.Date = new Proxy(Date, {
  construct(target, given, newTarget) {
    return Reflect.construct(target, given.length > 0 ? given : [target.now() + shift], newTarget);
  },
  get(target, name) {
    return name === 'now' ? () => target.now() + shift : Reflect.get(target, name);
  },
});
