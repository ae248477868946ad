// One colour for each class, told apart by colour-blind people too (Okabe and Ito's); no-exercise is grey.

const PALETTE = ["#56b4e9", "#e69f00", "#2fc795", "#e58fbd", "#f0e442", "#e8744a", "#9fa8ff"];
const REST = "#5d6877";

/** Returns colour(class name). */
export const makeColours = ({ classes, no_exercise }) => {
  const exercises = classes.filter((name) => name !== no_exercise);
  return (name) => PALETTE[exercises.indexOf(name) % PALETTE.length] ?? REST;
};
