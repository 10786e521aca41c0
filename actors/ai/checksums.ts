/** Whether a number that looks like a card, an account or a person's is one: by its shape and the digits that check the others. */

/** Payment cards of 13 to 19 digits: the first ones belong to a scheme that issues cards, the last one is Luhn's. */
export function isCardNumber(digits: string): boolean {
  return issuers.test(digits) && passesLuhn(digits);
}

// Numbers that begin with 1, as times since 1970 in any unit do, are issued by no card scheme.
const issuers = /^(?:4|5[0-8]|6|2[2-7]|3[0-9])\d{11,17}$/;

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = digits.charCodeAt(digits.length - 1 - at) - 48;
    const doubled = digit * 2;
    sum += at % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Characters of an IBAN by country, as its registry has them. */
const ibanLengths: Readonly<Record<string, number>> = {
  ...{ AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BI: 27, BR: 29, BY: 28, CH: 21, CR: 22 },
  ...{ CY: 28, CZ: 24, DE: 22, DJ: 27, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18, FK: 18, FO: 18, FR: 27, GB: 22 },
  ...{ GE: 22, GI: 23, GL: 18, GR: 27, GT: 28, HN: 28, HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23, IS: 26, IT: 27, JO: 30 },
  ...{ KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20, LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MN: 20 },
  ...{ MR: 27, MT: 31, MU: 30, NI: 28, NL: 18, NO: 15, OM: 23, PK: 24, PL: 28, PS: 29, PT: 25, QA: 29, RO: 24, RS: 22 },
  ...{ RU: 33, SA: 24, SC: 31, SD: 18, SE: 24, SI: 19, SK: 24, SM: 27, SO: 23, ST: 25, SV: 28, TL: 23, TN: 24, TR: 26 },
  ...{ UA: 29, VA: 22, VG: 24, XK: 20, YE: 30 },
};

/** How many characters the IBANs of a country have; undefined where it has none. */
export function ibanLength(country: string): number | undefined {
  return Object.hasOwn(ibanLengths, country) ? ibanLengths[country] : undefined;
}

/** @param text capital letters and digits, without spaces */
export function isIban(text: string): boolean {
  if (text.length !== ibanLength(text.slice(0, 2))) return false;
  let rest = 0;
  for (const character of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (value > 9 ? rest * 100 + value : rest * 10 + value) % 97;
  }
  return rest === 1;
}

/** Italy's codice fiscale, capital letters. */
export function isCodiceFiscale(text: string): boolean {
  let sum = 0;
  for (let at = 0; at < 15; at++) {
    const character = text.charCodeAt(at);
    const value = character < 65 ? character - 48 : character - 65;
    sum += at % 2 === 0 ? oddValues[value]! : value;
  }
  return sum % 26 === text.charCodeAt(15) - 65;
}

const oddValues = [...[1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]];

/** China's resident identity number: 17 digits and a digit or X. */
export function isResidentIdentity(text: string): boolean {
  if (!isDate(text.slice(6, 10), text.slice(10, 12), text.slice(12, 14))) return false;
  const sum = weighted(text.slice(0, 17), residentWeights);
  return '10X98765432'[sum % 11] === text[17]!.toUpperCase();
}

const residentWeights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** France's social security number: 15 digits, outside of Corsica. */
export function isNir(digits: string): boolean {
  return 97 - (Number(digits.slice(0, 13)) % 97) === Number(digits.slice(13));
}

/** Brazil's CPF: 11 digits. */
export function isCpf(digits: string): boolean {
  if (/^(\d)\1{10}$/.test(digits)) return false;
  const check = (length: number) => {
    const weights = Array.from({ length }, (_, at) => length + 1 - at);
    return ((weighted(digits, weights) * 10) % 11) % 10;
  };
  return check(9) === Number(digits[9]) && check(10) === Number(digits[10]);
}

/** Belgium's national register number: 11 digits; those born since 2000 count with a 2 in front. */
export function isBelgianRegister(digits: string): boolean {
  if (!isDate('2000', digits.slice(2, 4), digits.slice(4, 6))) return false;
  const [base, check] = [Number(digits.slice(0, 9)), Number(digits.slice(9))];
  return 97 - (base % 97) === check || 97 - ((2_000_000_000 + base) % 97) === check;
}

/** Finland's personal identity code, `DDMMYY`, a sign of the century, three digits and a character. */
export function isHetu(text: string): boolean {
  if (!isDate('2000', text.slice(2, 4), text.slice(0, 2))) return false;
  const number = Number(text.slice(0, 6) + text.slice(7, 10));
  return '0123456789ABCDEFHJKLMNPRSTUVWXY'[number % 31] === text[10];
}

function weighted(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, at) => sum + weight * (digits.charCodeAt(at) - 48), 0);
}

function isDate(year: string, month: string, day: string): boolean {
  return Number(year) >= 1850 && Number(year) < 2100 && between(month, 12) && between(day, 31);
}

function between(digits: string, most: number): boolean {
  return Number(digits) >= 1 && Number(digits) <= most;
}

/** E.164: a calling code that is given out, and a national number as long as its plan wants it. */
export function isPhoneNumber(digits: string): boolean {
  const code = callingCodes.exec(digits)?.[0];
  if (code === undefined || digits.length < 8 || digits.length > 15) return false;
  const national = digits.slice(code.length);
  if (code === '1') return /^[2-9]\d{2}[2-9]\d{6}$/.test(national);
  // Amounts such as +250 000 000 would be numbers that begin with a zero, which Italy alone has.
  return national.length >= 6 && (!national.startsWith('0') || code === '39');
}

const callingCodes =
  /^(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[0578]\d|9[679]\d)/;
