// A function for Spectral: the keys of an object stand in an order; keys that are not in it may stand anywhere.
export default function keyOrder(target, { keys }) {
  const found = Object.keys(target).filter((key) => keys.includes(key));
  const wanted = keys.filter((key) => found.includes(key));
  const wrong = found.findIndex((key, i) => key !== wanted[i]);
  return wrong < 0 ? [] : [{ message: `"${wanted[wrong]}" must come before "${found[wrong]}"` }];
}
